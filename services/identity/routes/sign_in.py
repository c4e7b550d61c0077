"""Sign-in: the authorization endpoint, and the page with the form and the passkey."""

from datetime import timedelta
from math import ceil
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.pages import language
from services.identity.citizens import citizens
from services.identity.domain import assurance
from services.identity.domain.assurance import Proof
from services.identity.domain.sign_in import Form
from services.identity.parts import parts
from services.identity.passkeys import Answer, Spent, read
from services.identity.protocol.request import Parameters, parameters_of
from services.identity.protocol.server import Server, Wants, authorization_request
from services.identity.routes import (
    agreeing,
    browser,
    changes,
    demonstration,
    limits,
    places,
    second_factor,
)
from services.identity.storage import clients, factors, grants, people, sessions
from services.identity.storage.tables import Person, SignInSession

blueprint = Blueprint("sign_in", __name__)
SIGN_IN = "/identity/sign-in"
FIELDS = ("username", "password", "code")
DONE = ("recovered", "ended")  # what the page can be told to say


@blueprint.route("/identity/authorize", methods=["GET", "POST"])
@access.public
def authorize() -> Response:
    values = parameters_of(request.form if request.method == "POST" else request.args)
    with parts().database.transaction() as session:
        answer = _authorize(session, values, browser.signed_in(session))
    if answer is not None:
        return answer
    return _redirect(f"{SIGN_IN}?{urlencode(list(values.items(multi=True)))}")


@blueprint.get(SIGN_IN)
@access.public
def show_form() -> Response:
    refusal = _refusal()
    if refusal is not None:
        return refusal
    chosen = demonstration.filled(request.args.get("person", ""))
    if chosen is None:
        return _page(Form(username=request.args.get("login_hint", "")[:64]))
    form, wait = chosen
    return _page(form, [("code", "code_used")] if wait else [], wait=wait)


@blueprint.post(SIGN_IN)
@access.public
def sign_in() -> Response:
    browser.check_own_form()
    refusal = _refusal()
    if refusal is not None:
        return refusal
    form = Form(*(request.form.get(field, "") for field in FIELDS))
    missing = [field for field in FIELDS if not getattr(form, field).strip()]
    if missing:
        return _page(form, [(field, f"missing_{field}") for field in missing], status=422)
    with parts().passwords.turn():
        with parts().database.transaction() as session:
            person = people.by_username(session, form.account)
            attempt = limits.begin(session, form.account, person)
        if attempt.wait:
            return _page(form, [("username", "wait")], status=429, wait=attempt.wait)
        right = parts().passwords.matches(form.password, person.password_hash if person else None)
    with parts().database.transaction() as session:
        proof = second_factor.proof(session, person, form.code) if person and right else None
        if person is None or proof is None:
            changes.note_unproved(session, "sign-in-failed", person, way="password")
            return _page(form, [("username", "wrong")], status=422)
        attempt.succeeded(session)
        return finish(session, person, proof)


@blueprint.post(f"{SIGN_IN}/passkey")
@access.public
def sign_in_with_passkey() -> Response:
    browser.check_own_form()
    refusal = _refusal()
    if refusal is not None:
        return refusal
    answer = read(request.form.get("credential", ""))
    with parts().database.transaction() as session:
        attempt = limits.by_network(session, "passkey")
        if attempt.wait:
            return _page(Form(), [("passkey", "wait")], status=429, wait=attempt.wait)
        proved = _with_passkey(session, answer) if answer else None
        if proved is None:
            return _page(Form(), [("passkey", "passkey_wrong")], status=422)
        attempt.succeeded(session)
        return finish(session, *proved)


def finish(session: Session, person: Person, proof: Proof) -> Response:
    """Sign a person in and send the browser on: to the client that asked, or to a page of ours."""
    now = parts().clock.now()
    session_id = browser.begin_session(session, person, proof)
    grants.forget_ended(session, now - timedelta(days=1))
    changes.note(session, "signed-in", person, way=proof.way)
    now_in = sessions.find(session, session_id, now, parts().session_idle)
    response = _authorize(session, _given(), now_in, fresh=True) if _asked_by_client() else None
    response = response or browser.go(places.wanted())
    browser.keep(response, session_id)
    sessions.know_device(session, browser.keep_device(response), person.sub, now)
    return response


def _with_passkey(session: Session, answer: Answer) -> tuple[Person, Proof] | None:
    """Return whose passkey answered, or None; a wrong answer to a known key is written down."""
    found, now = factors.passkey(session, answer.credential_hash), parts().clock.now()
    person = people.by_subject(session, found.sub) if found else None
    if found is None or person is None or answer.user not in (None, found.sub):
        return None

    def spend(spent: Spent) -> bool:
        return factors.spend_challenge(session, spent.digest, spent.expires_at, now)

    count = citizens().passkeys.used(
        browser.cookie(browser.SESSION), answer, found.public_key, found.sign_count, now, spend
    )
    if count is None or not factors.count_use(session, found, count, now):
        changes.note_unproved(session, "sign-in-failed", person, way="passkey")
        return None
    return person, assurance.passkey(device_bound=found.device_bound)


def _authorize(
    session: Session, values: Parameters, who: SignInSession | None, *, fresh: bool = False
) -> Response | None:
    """Answer the client's request, or return None; fresh: the person signed in for it just now."""
    asked = authorization_request(parts(), request, parameters_of(values))
    server = Server(parts(), session, asked, who)
    answer = server.authorization_response(fresh=fresh)
    if answer is None and who is not None and server.wants is Wants.CONSENT:
        return agreeing.ask(values, who, fresh=fresh)
    return answer


def _asked_by_client() -> bool:
    return "client_id" in request.args


def _refusal() -> Response | None:
    """Check the client's request before anything is typed: it may be wrong or forbid a page."""
    if not _asked_by_client():
        return None
    with parts().database.snapshot() as session:
        return _authorize(session, _given(), None)


def _given() -> Parameters:
    return parameters_of(request.args)


def _redirect(address: str) -> Response:
    return Response(status=303, headers={"Location": browser.in_language(address)})


def _page(
    form: Form,
    errors: list[tuple[str, str]] | None = None,
    status: int = 200,
    wait: timedelta = timedelta(),
) -> Response:
    with parts().database.snapshot() as session:
        client = clients.find(session, request.args.get("client_id"))
        asked = parts().profile.shown(session, _given())
        listed = demonstration.people_listed(session)
    query = [(k, v) for k, v in request.args.items(multi=True) if k not in ("person", "done")]
    wait_s = ceil(wait.total_seconds())
    tail = f"?{urlencode(query)}" if query else ""
    done = request.args.get("done")
    response = browser.form_page(
        "sign-in.html",
        status,
        leads_to=asked.get("redirect_uri") if client else None,
        form=form,
        errors=dict(errors or []),
        wait_s=wait_s,
        client=client and (client.name.get(language()) or client.name["en"]),
        again=not client and request.args.get("to") in places.PLACES,
        stronger=assurance.Level.HIGH in asked.get("acr_values", "").split(),
        done=done if done in DONE and not errors else None,
        passkey_options=citizens().passkeys.to_sign_in(browser.own_id(), parts().clock.now()),
        action=SIGN_IN + tail,
        passkey_action=f"{SIGN_IN}/passkey{tail}",
        people=[
            (person, f"{SIGN_IN}?{urlencode([*query, ('person', person.username)])}")
            for person in listed
        ],
        chosen=request.args.get("person"),
    )
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response
