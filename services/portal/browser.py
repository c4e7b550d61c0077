"""The one cookie of the portal, the forms it protects, and the marker for pages of one person."""

import re
import secrets
from typing import cast

from flask import Flask, Response, g, request

from servicekit import access, pages
from services.portal.components import components
from services.portal.panels import panel
from services.portal.sessions import Person, SignInNeeded

_ID = re.compile(r"[A-Za-z0-9_-]{43}")


def cookie_name() -> str:
    """Return the cookie's name: bound to the host where the platform runs on https."""
    return "__Host-atoll_portal" if _is_https() else "atoll_portal"


def browser_id() -> str:
    """Return this browser's identifier, a new one if it has none; it is set with the answer."""
    if "browser" not in g:
        given = request.cookies.get(cookie_name(), "")
        g.browser = given if _ID.fullmatch(given) else secrets.token_urlsafe(32)
    return cast(str, g.browser)


def become(new_id: str) -> None:
    """Give the browser another identifier with this answer."""
    g.browser = new_id


def viewer() -> Person | None:
    """Return who is signed in here; nobody when the sessions cannot be read."""
    if "viewer" not in g:
        known = request.cookies.get(cookie_name())
        g.viewer = panel(lambda: components().sessions.find(known)).value if known else None
    return cast("Person | None", g.viewer)


def check_form() -> None:
    """Refuse a form that did not come from our own page in this browser."""
    settings = components().settings
    pages.check_form(settings.form_key, browser_id(), settings.public_url)


class SignedIn:
    """People who are signed in at the portal."""

    label = "signed-in person"

    def check(self) -> None:
        """Raise SignInNeeded unless somebody is signed in in this browser."""
        if viewer() is None:
            raise SignInNeeded


signed_in = access.mark(SignedIn())


def person() -> Person:
    """Return the signed-in person; only in views marked ``signed_in``."""
    found = viewer()
    if found is None:
        raise SignInNeeded
    return found


def install(app: Flask) -> None:
    """Give pages their person and form token, and send the cookie when it is new."""

    @app.context_processor
    def values() -> dict[str, object]:
        return {
            "viewer": viewer,
            "form_token": lambda: pages.form_token(components().settings.form_key, browser_id()),
        }

    @app.after_request
    def send_cookie(response: Response) -> Response:
        if "browser" in g and request.cookies.get(cookie_name()) != g.browser:
            response.set_cookie(
                cookie_name(),
                g.browser,
                path="/",
                secure=_is_https(),
                httponly=True,
                samesite="Lax",
            )
        return response


def _is_https() -> bool:
    return components().settings.public_url.startswith("https://")
