"""The browser in front of a page: its cookie, its signed-in session, the safety of its forms."""

import re
import secrets
from datetime import timedelta

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from servicekit.pages import CONTENT_SECURITY_POLICY, check_form, form_token
from services.identity.domain.redirects import origin
from services.identity.parts import parts
from services.identity.storage import sessions
from services.identity.storage.tables import SignInSession

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{43}")


def signed_in(session: Session) -> SignInSession | None:
    """Return the living session of this browser, or None."""
    found = sessions.find(session, _cookie(), parts().clock.now(), parts().session_idle)
    if found is not None:
        sessions.touch(session, found, parts().clock.now())
    return found


def begin_session(session: Session, sub: str) -> str:
    """Open a session under a new id, so that nobody can have planted it; return the id."""
    life = timedelta(seconds=parts().settings.session_life_s)
    session_id, now = secrets.token_urlsafe(32), parts().clock.now()
    sessions.forget_ended(session, now)
    sessions.open_session(session, session_id, sub, now, life)
    return session_id


def keep(response: Response, session_id: str) -> None:
    """Give the browser the cookie; it ends with the browser, the session ends on the server."""
    response.set_cookie(
        _cookie_name(), session_id, secure=_is_https(), httponly=True, samesite="Lax", path="/"
    )


def forget(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(
        _cookie_name(), secure=_is_https(), httponly=True, samesite="Lax", path="/"
    )


def form_page(
    template: str, status: int = 200, leads_to: str | None = None, **values: object
) -> Response:
    """Show a page with forms that only this browser can send.

    leads_to: the registered address of another origin that a form's answer redirects to.
    """
    session_id = _cookie() or secrets.token_urlsafe(32)
    token = form_token(parts().settings.form_key, session_id)
    response = make_response(render_template(template, form_token=token, **values), status)
    if leads_to is not None:
        # browsers apply form-action to the redirect that follows the form, too
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "form-action 'self'", f"form-action 'self' {origin(leads_to)}"
        )
    if not _cookie():
        keep(response, session_id)
    return response


def check_own_form() -> None:
    """Refuse a form that this browser did not get from us."""
    settings = parts().settings
    check_form(settings.form_key, _cookie(), settings.public_url)


def _cookie() -> str:
    value = request.cookies.get(_cookie_name(), "")
    return value if _SESSION_ID.fullmatch(value) else ""


def _cookie_name() -> str:
    return "__Host-atoll_identity" if _is_https() else "atoll_identity"


def _is_https() -> bool:
    return parts().settings.public_url.startswith("https:")
