"""The page where people see what they agreed to, withdraw it and agree again."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from flask import Blueprint, Response, redirect, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.clock import timestamp
from servicekit.pages import address, language, text
from servicekit.problems import NotFound
from services.identity import start_state
from services.identity.domain.agreements import State, state
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import agreements, clients, people
from services.identity.storage.tables import Agreement, Person

blueprint = Blueprint("consents", __name__)
PATH = "/identity/consents"
MALDIVES = timezone(timedelta(hours=5))


@dataclass(frozen=True)
class Shown:
    """An agreement in the page's language."""

    id: str
    service: str
    purpose: str
    categories: list[str]
    state: State
    given: tuple[str, str]
    until: tuple[str, str]
    withdrawn: tuple[str, str] | None


@blueprint.get(PATH)
@access.public
def show_consents() -> Response:
    with parts().database.transaction() as session:
        who = browser.signed_in(session)
        if who is None:
            return _redirect("/identity/sign-in")
        person = people.by_subject(session, who.sub)
        given = agreements.of_person(session, who.sub)
        done = request.args.get("done")
        return browser.form_page(
            "consents.html",
            name=_name(person),
            agreements=[_shown(session, agreement) for agreement in given],
            done=done if done in ("withdrawn", "given") else None,
        )


@blueprint.post(f"{PATH}/<agreement_id>/withdraw")
@access.public
def withdraw(agreement_id: str) -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        agreement = _own(session, agreement_id)
        if agreement is None:
            return _redirect("/identity/sign-in")
        agreements.withdraw(session, agreement, parts().clock.now())
    return _redirect(PATH, done="withdrawn")


@blueprint.post(f"{PATH}/<agreement_id>/renew")
@access.public
def renew(agreement_id: str) -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        agreement = _own(session, agreement_id)
        if agreement is None:
            return _redirect("/identity/sign-in")
        agreements.renew(session, agreement, parts().clock.now())
    return _redirect(PATH, done="given")


def _name(person: Person | None) -> str:
    if person is None:
        return ""
    return (person.name_dv if language() == "dv" else None) or person.name


def _own(session: Session, agreement_id: str) -> Agreement | None:
    """Return this person's agreement, or None when nobody is signed in (any more)."""
    who = browser.signed_in(session)
    if who is None:
        return None
    agreement = agreements.find(session, agreement_id, who.sub)
    if agreement is None:
        raise NotFound("You gave no such agreement.")
    return agreement


def _shown(session: Session, agreement: Agreement) -> Shown:
    words = start_state.seed("purposes.yaml")
    client = clients.find(session, agreement.client_id)
    withdrawn = agreement.withdrawn_at
    return Shown(
        agreement.id,
        _in_language(client.name) if client else agreement.client_id,
        _in_language(words["purposes"].get(agreement.purpose, {"en": agreement.purpose})),
        [_in_language(words["categories"].get(c, {"en": c})) for c in agreement.categories],
        state(agreement, parts().clock.now()),
        _day(agreement.given_at),
        _day(agreement.until),
        _day(withdrawn) if withdrawn else None,
    )


def _in_language(names: dict[str, str]) -> str:
    return names.get(language()) or names["en"]


def _day(moment: datetime) -> tuple[str, str]:
    """Return a day of the Maldives in words, and the moment as machines read it."""
    local = moment.astimezone(MALDIVES)
    return f"{local.day} {text(f'month_{local.month}')} {local.year}", timestamp(moment)


def _redirect(path: str, **query: str) -> Response:
    response = redirect(address(path, **query), 303)
    assert isinstance(response, Response)  # noqa: S101 (narrows Werkzeug's type)
    return response
