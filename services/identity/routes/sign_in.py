"""Sign-in: the authorization endpoint and the page with the form."""

from datetime import timedelta
from math import ceil
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.pages import language
from services.identity.domain import totp
from services.identity.domain.sign_in import Form
from services.identity.parts import parts
from services.identity.protocol.request import Parameters, parameters_of
from services.identity.protocol.server import Server, authorization_request
from services.identity.routes import browser, demonstration
from services.identity.storage import clients, grants, people, sessions
from services.identity.storage.tables import Person, SignInSession

blueprint = Blueprint("sign_in", __name__)
SIGN_IN, AFTER_SIGN_IN = "/identity/sign-in", "/identity/consents"
FIELDS = ("username", "password", "code")
# they say how to sign in; somebody who has just done so has met them (OIDC Core 3.1.2.1)
ASKS_FOR_SIGN_IN = ("prompt", "max_age")


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
            wait = sessions.start_attempt(session, form.account, parts().clock.now())
            person = people.by_username(session, form.account)
        if wait:
            return _page(form, [("username", "wait")], status=429, wait=wait)
        right = parts().passwords.matches(form.password, person.password_hash if person else None)
    with parts().database.transaction() as session:
        if person is None or not right or not _take_code(session, person, form.code):
            return _page(form, [("username", "wrong")], status=422)
        sessions.forget_failures(session, form.account)
        session_id = browser.begin_session(session, person.sub)
        grants.forget_ended(session, parts().clock.now() - timedelta(days=1))
        now_in = sessions.find(session, session_id, parts().clock.now(), parts().session_idle)
        response = _authorize(session, _fresh(), now_in) if _asked_by_client() else None
    response = response or _redirect(AFTER_SIGN_IN)
    browser.keep(response, session_id)
    return response


def _authorize(session: Session, values: Parameters, who: SignInSession | None) -> Response | None:
    asked = authorization_request(parts(), request, values)
    return Server(parts(), session, asked, who).authorization_response()


def _asked_by_client() -> bool:
    return "client_id" in request.args


def _refusal() -> Response | None:
    """Check the client's request before anything is typed: it may be wrong or forbid a page."""
    if not _asked_by_client():
        return None
    with parts().database.snapshot() as session:
        return _authorize(session, parameters_of(request.args), None)


def _fresh() -> Parameters:
    values = parameters_of(request.args)
    for name in ASKS_FOR_SIGN_IN:
        values.poplist(name)
    return values


def _take_code(session: Session, person: Person, code: str) -> bool:
    secret = parts().vault.open(person.totp_secret, person.sub)
    now = parts().clock.now()
    step = totp.matching_step(secret, code, now, person.totp_last_step)
    return step is not None and people.take_totp_step(session, person.sub, step)


def _redirect(address: str) -> Response:
    if language() != "en" and "lang=" not in address:
        address += f"{'&' if '?' in address else '?'}lang={language()}"
    response = redirect(address, 303)
    assert isinstance(response, Response)  # noqa: S101 (narrows Werkzeug's type)
    return response


def _page(
    form: Form,
    errors: list[tuple[str, str]] | None = None,
    status: int = 200,
    wait: timedelta = timedelta(),
) -> Response:
    with parts().database.snapshot() as session:
        client = clients.find(session, request.args.get("client_id"))
        listed = demonstration.people_listed(session)
    query = [(k, v) for k, v in request.args.items(multi=True) if k != "person"]
    wait_s = ceil(wait.total_seconds())
    response = browser.form_page(
        "sign-in.html",
        status,
        leads_to=request.args.get("redirect_uri") if client else None,
        form=form,
        errors=dict(errors or []),
        wait_s=wait_s,
        client=client and (client.name.get(language()) or client.name["en"]),
        query=query,
        action=f"{SIGN_IN}?{urlencode(query)}" if query else SIGN_IN,
        people=[
            (person, f"{SIGN_IN}?{urlencode([*query, ('person', person.username)])}")
            for person in listed
        ],
        chosen=request.args.get("person"),
    )
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response
