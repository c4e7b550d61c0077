"""The page that asks a person whether a service may have what it asks for, at the sign-in."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.pages import language
from services.identity import words
from services.identity.domain.agreements import CHOICES, SIGNED_IN
from services.identity.parts import parts
from services.identity.protocol import consent
from services.identity.protocol.request import Parameters, parameters_of
from services.identity.protocol.server import Server, Wants, authorization_request
from services.identity.routes import browser, changes
from services.identity.storage import agreements, people
from services.identity.storage.tables import SignInSession

blueprint = Blueprint("agreeing", __name__)
PATH = "/identity/consent"
MARK = "signed_in_now"  # proves that the sign-in of this session was made for this request
MARK_HOLDS = timedelta(minutes=10)
AGREE, SOME, DENY = "agree", "some", "deny"
DEFAULT_LIFE = "year"


@dataclass(frozen=True)
class Asked:
    """One item on the page."""

    name: str
    says: str
    value: str
    agreed: bool


def ask(values: Parameters, who: SignInSession, *, fresh: bool) -> Response:
    """Send the browser to the page; fresh: the person signed in for this very request."""
    query = list(values.items(multi=True))
    if fresh:
        query.append((MARK, _mark(values, who)))
    location = browser.in_language(f"{PATH}?{urlencode(query)}")
    return Response(status=303, headers={"Location": location})


@blueprint.get(PATH)
@access.public
def show_request() -> Response:
    values = _given()
    with parts().database.transaction() as session:
        who = browser.signed_in(session)
        server = _server(session, values, who)
        answer = server.authorization_response(fresh=_is_fresh(values, who))
        if answer is None and server.wants is Wants.CONSENT:
            return _page(session, server)
    return answer or _begin_again(values)


@blueprint.post(PATH)
@access.public
def decide() -> Response:
    browser.check_own_form()
    values, decision = _given(), request.form.get("decision", "")
    with parts().database.transaction() as session:
        who = browser.signed_in(session)
        fresh = _is_fresh(values, who)
        if decision == DENY:
            refused = _server(session, values, who).authorization_response(
                fresh=fresh, agreed=False
            )
            _note(session, who, "consent-denied")
            return refused or _begin_again(values)
        server = _server(session, values, who)
        answer = server.authorization_response(fresh=fresh)
        if answer is not None:
            return answer  # the request is wrong, or another window has asked already
        if server.wants is not Wants.CONSENT:
            return _begin_again(values)
        asked = _asked(server)
        ticked = [item for item in request.form.getlist("item") if item in asked]
        chosen = asked if decision == AGREE else ticked + [i for i in asked if i == SIGNED_IN]
        life = CHOICES.get(request.form.get("until", DEFAULT_LIFE))
        if decision not in (AGREE, SOME) or life is None or not chosen:
            return _page(session, server, error="consent_choose", status=422)
        now = parts().clock.now()
        agreements.agree(
            session,
            subject=server.request.user.sub,
            client_id=server.request.client.client_id,
            purpose=consent.purpose_of(server.request.payload.data),
            asked=asked,
            chosen=chosen,
            now=now,
            until=now + life,
        )
        _note(session, who, "consent-given")
        done = _server(session, values, who).authorization_response(fresh=fresh, agreed=True)
        return done or _page(session, server, error="consent_choose", status=422)


def _page(session: Session, server: Server, error: str = "", status: int = 200) -> Response:
    client, person = server.request.client, server.request.user
    asked, now = _asked(server), server.permission()
    data = server.request.payload.data
    values = {
        "name": (person.name_dv if language() == "dv" else None) or person.name,
        "preferred_username": person.username,
        "email": person.email,
        "phone_number": person.phone,
        "roles": ", ".join(person.roles),
    }
    query = list(request.args.items(multi=True))
    return browser.form_page(
        "consent.html",
        status,
        leads_to=data["redirect_uri"],
        error=error,
        client=_say(client.name),
        description=_say(client.description) if client.description else "",
        is_tried_out=client.status == "sandbox",
        back_to=urlsplit(data["redirect_uri"]).hostname or "",
        person=values["name"],
        purpose=_say(words.purpose(consent.purpose_of(data))),
        items=[
            Asked(item, _say(words.item(item)), values.get(item) or "", now.allows(item))
            for item in asked
        ],
        fixed=SIGNED_IN,
        lives=list(CHOICES),
        life=request.form.get("until", DEFAULT_LIFE),
        action=f"{PATH}?{urlencode(query)}",
    )


def _server(session: Session, values: Parameters, who: SignInSession | None) -> Server:
    asked = authorization_request(parts(), request, parameters_of(values))
    return Server(parts(), session, asked, who)


def _asked(server: Server) -> Sequence[str]:
    return consent.asked(server.request.client, server.request.user, server.request.scope)


def _given() -> Parameters:
    values = parameters_of(request.args)
    values.poplist(MARK)
    return values


def _begin_again(values: Parameters) -> Response:
    """Let the authorization endpoint find out what is wanted: somebody must sign in first."""
    query = urlencode(list(values.items(multi=True)))
    location = browser.in_language(f"/identity/authorize?{query}")
    return Response(status=303, headers={"Location": location})


def _is_fresh(values: Parameters, who: SignInSession | None) -> bool:
    mark = request.args.get(MARK, "")
    if who is None or not mark.isascii() or parts().clock.now() - who.auth_time > MARK_HOLDS:
        return False
    return hmac.compare_digest(mark, _mark(values, who))


def _mark(values: Parameters, who: SignInSession) -> str:
    told = repr((who.id_hash, who.auth_time.timestamp(), sorted(values.items(multi=True))))
    key = parts().vault.key_for("consent-page")
    return hmac.new(key, told.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _note(session: Session, who: SignInSession | None, kind: str) -> None:
    person = people.by_subject(session, who.sub) if who else None
    if person is not None:
        changes.note(session, kind, person, client=request.args.get("client_id", "")[:21])


def _say(names: words.Words) -> str:
    return names.get(language()) or names["en"]
