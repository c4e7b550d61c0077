"""The browser in front of a page: its cookies, its signed-in session, the safety of its forms."""

import re
import secrets
from datetime import timedelta

from flask import Response, g, make_response, redirect, render_template, request
from sqlalchemy.orm import Session

from servicekit.pages import CONTENT_SECURITY_POLICY, address, check_form, form_token, language
from services.identity.domain.assurance import Proof, acr
from services.identity.domain.redirects import origin
from services.identity.domain.visitors import Visitor, visitor
from services.identity.parts import parts
from services.identity.storage import grants, sessions
from services.identity.storage.tables import Person, SignInSession

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{43}")
SESSION, DEVICE, RECOVERY = "atoll_identity", "atoll_device", "atoll_recovery"
DEVICE_DAYS, RECOVERY_DAYS = 400, 7


def signed_in(session: Session) -> SignInSession | None:
    """Return the living session of this browser, or None."""
    found = sessions.find(session, cookie(SESSION), parts().clock.now(), parts().session_idle)
    if found is not None:
        sessions.touch(session, found, parts().clock.now())
    return found


def begin_session(session: Session, person: Person, proof: Proof) -> str:
    """Sign a person in under a new id, so that nobody can have planted it; return the id.

    The same person's session goes on under the new id; somebody else's ends.
    """
    session_id, now = secrets.token_urlsafe(32), parts().clock.now()
    level, here = acr(proof, person.identity_level), whence()
    before = signed_in(session)
    sessions.forget_ended(session, now)
    if before is not None and before.sub == person.sub:
        sessions.renew(session, before, session_id, now, acr=level, amr=proof.amr)
        return session_id
    if before is not None:
        grants.revoke_of_session(session, before.id_hash, now)
        sessions.close(session, before.id_hash)
    life = timedelta(seconds=parts().settings.session_life_s)
    sessions.open_session(
        session,
        session_id,
        person.sub,
        now,
        life,
        acr=level,
        amr=proof.amr,
        device=here.device,
        network=here.network,
    )
    return session_id


def whence() -> Visitor:
    """Return where this request came from; the gateway overwrites the header with what it saw."""
    address = request.headers.get("X-Forwarded-For", "").rpartition(",")[2]
    return visitor(request.headers.get("User-Agent", ""), address)


def own_id() -> str:
    """Return the value of this browser's session cookie; a new one, when it has none yet."""
    if "atoll_browser" not in g:
        g.atoll_browser = cookie(SESSION) or secrets.token_urlsafe(32)
    return str(g.atoll_browser)


def keep(response: Response, session_id: str) -> None:
    """Give the browser the cookie; it ends with the browser, the session ends on the server."""
    _set(response, SESSION, session_id)


def keep_device(response: Response) -> str:
    """Let the browser be known at the next sign-in; return its name."""
    device_id = cookie(DEVICE) or secrets.token_urlsafe(32)
    _set(response, DEVICE, device_id, days=DEVICE_DAYS)
    return device_id


def keep_recovery(response: Response, secret: str) -> None:
    """Give the browser the secret with which it goes on recovering an account."""
    _set(response, RECOVERY, secret, days=RECOVERY_DAYS)


def forget(response: Response, name: str = SESSION) -> None:
    """Take a cookie away."""
    response.delete_cookie(
        _cookie_name(name), secure=_is_https(), httponly=True, samesite="Lax", path="/"
    )


def form_page(
    template: str, status: int = 200, leads_to: str | None = None, **values: object
) -> Response:
    """Show a page with forms that only this browser can send.

    leads_to: the registered address of another origin that a form's answer redirects to.
    """
    token = form_token(parts().settings.form_key, own_id())
    response = make_response(render_template(template, form_token=token, **values), status)
    if leads_to is not None:
        # browsers apply form-action to the redirect that follows the form, too
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "form-action 'self'", f"form-action 'self' {origin(leads_to)}"
        )
    if not cookie(SESSION):
        keep(response, own_id())
    return response


def check_own_form() -> None:
    """Refuse a form that this browser did not get from us."""
    settings = parts().settings
    check_form(settings.form_key, cookie(SESSION), settings.public_url)


def go(path: str, **query: str) -> Response:
    """Send the browser on to a page of ours, in its language, by a GET (303)."""
    response = redirect(address(path, **query), 303)
    assert isinstance(response, Response)  # noqa: S101 (narrows Werkzeug's type)
    return response


def in_language(path: str) -> str:
    """Return an address that may have a query already, in the page's language."""
    if language() == "en" or "lang=" in path:
        return path
    return f"{path}{'&' if '?' in path else '?'}lang={language()}"


def cookie(name: str) -> str:
    """Return the value of one of our cookies; empty when it is missing or not one we made."""
    value = request.cookies.get(_cookie_name(name), "")
    return value if _SESSION_ID.fullmatch(value) else ""


def _set(response: Response, name: str, value: str, days: int | None = None) -> None:
    response.set_cookie(
        _cookie_name(name),
        value,
        max_age=None if days is None else days * 86_400,
        secure=_is_https(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def _cookie_name(name: str) -> str:
    return f"__Host-{name}" if _is_https() else name


def _is_https() -> bool:
    return parts().settings.public_url.startswith("https:")
