"""The page where people see what they agreed to, withdraw it item by item, and get receipts."""

import json
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.clock import timestamp
from servicekit.pages import language, text
from servicekit.problems import NotFound
from services.identity import receipts, words
from services.identity.domain.agreements import SIGNED_IN, State, state
from services.identity.parts import parts
from services.identity.routes import browser, changes
from services.identity.routes.account import Own, moment_in_words, whose
from services.identity.storage import agreements
from services.identity.storage.tables import Agreement, Client

blueprint = Blueprint("consents", __name__)
PATH = "/identity/consents"
DONE = ("withdrawn", "given", "changed")


@dataclass(frozen=True)
class Shown:
    """An agreement in the page's language."""

    id: str
    service: str
    purpose: str
    items: list[tuple[str, str]]  # name, words
    version: int
    state: State
    given: tuple[str, str]
    until: tuple[str, str]
    withdrawn: tuple[str, str] | None


@blueprint.get(PATH)
@access.public
def show_consents() -> Response:
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return browser.go("/identity/sign-in")
        given = agreements.of_person(session, own.person.sub)
        done = request.args.get("done")
        return browser.form_page(
            "consents.html",
            name=own.name,
            agreements=[_shown(session, agreement) for agreement in given],
            fixed=SIGNED_IN,
            done=done if done in DONE else None,
        )


@blueprint.post(f"{PATH}/<agreement_id>/withdraw")
@access.public
def withdraw(agreement_id: str) -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return browser.go("/identity/sign-in")
        agreement = _of(own, agreement_id)
        if agreements.withdraw(session, agreement, parts().clock.now()):
            _note(own, agreement, "consent-withdrawn")
    return browser.go(PATH, done="withdrawn")


@blueprint.post(f"{PATH}/<agreement_id>/keep")
@access.public
def keep_some(agreement_id: str) -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return browser.go("/identity/sign-in")
        agreement = _of(own, agreement_id)
        before = agreement.version
        kept = [*request.form.getlist("item"), SIGNED_IN]
        agreements.keep_only(session, agreement, kept, parts().clock.now())
        if agreement.version != before:
            _note(own, agreement, "consent-changed")
    return browser.go(PATH, done="changed")


@blueprint.post(f"{PATH}/<agreement_id>/renew")
@access.public
def renew(agreement_id: str) -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return browser.go("/identity/sign-in")
        agreement = _of(own, agreement_id)
        agreements.renew(session, agreement, parts().clock.now())
        _note(own, agreement, "consent-given")
    return browser.go(PATH, done="given")


@blueprint.get(f"{PATH}/<agreement_id>/receipt")
@access.public
def show_receipt(agreement_id: str) -> Response:
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return browser.go("/identity/sign-in")
        agreement = _of(own, agreement_id)
        document = _receipt(session, agreement)
        signature = receipts.signed(parts(), document)
        if request.args.get("format") == "json":
            return _file(agreement, {"receipt": document, "signed": signature})
        return browser.form_page(
            "receipt.html",
            name=own.name,
            shown=_shown(session, agreement),
            versions=[
                (
                    one.version,
                    text(f"change_{one.change}"),
                    moment_in_words(one.at),
                    [_say(words.item(item)) for item in one.items],
                )
                for one in agreements.versions(session, agreement)
            ],
            signature=signature,
            keys=f"{parts().settings.issuer}/jwks",
        )


def _receipt(session: Session, agreement: Agreement) -> dict[str, object]:
    # of a client that was removed since, too: the receipt is the person's
    client = session.get_one(Client, agreement.client_id)
    return receipts.receipt(parts(), agreement, agreements.versions(session, agreement), client)


def _file(agreement: Agreement, content: dict[str, object]) -> Response:
    body = json.dumps(
        {**content, "keys": f"{parts().settings.issuer}/jwks"}, ensure_ascii=False, indent=2
    )
    response = Response(body + "\n", mimetype="application/json")
    name = f"agreement-{agreement.id}-v{agreement.version}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = "sandbox"
    response.headers["Cache-Control"] = "no-store"
    return response


def _of(own: Own, agreement_id: str) -> Agreement:
    agreement = agreements.find(own.session, agreement_id, own.person.sub)
    if agreement is None:
        raise NotFound("You gave no such agreement.")
    return agreement


def _note(own: Own, agreement: Agreement, kind: str) -> None:
    changes.note(own.session, kind, own.person, client=agreement.client_id)


def _shown(session: Session, agreement: Agreement) -> Shown:
    client = session.get(Client, agreement.client_id)
    withdrawn = agreement.withdrawn_at
    return Shown(
        agreement.id,
        _say(client.name) if client else agreement.client_id,
        _say(words.purpose(agreement.purpose)),
        [(item, _say(words.item(item))) for item in agreement.items],
        agreement.version,
        state(agreement, parts().clock.now()),
        _day(agreement.given_at),
        _day(agreement.until),
        _day(withdrawn) if withdrawn else None,
    )


def _say(names: words.Words) -> str:
    return names.get(language()) or names["en"]


def _day(moment: datetime) -> tuple[str, str]:
    """Return a day of the Maldives in words, and the moment as machines read it."""
    local = moment.astimezone(changes.MALDIVES)
    return f"{local.day} {text(f'month_{local.month}')} {local.year}", timestamp(moment)
