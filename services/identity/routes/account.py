"""What the pages of an account share: whose they are, and that factors need a fresh sign-in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from servicekit.clock import timestamp
from servicekit.pages import language, text
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.routes.changes import MALDIVES
from services.identity.storage import people
from services.identity.storage.tables import Person, SignInSession


@dataclass(frozen=True)
class Own:
    """The signed-in person in front of the page, in the page's transaction."""

    session: Session
    here: SignInSession
    person: Person

    @property
    def name(self) -> str:
        """The person's name in the page's language."""
        return (self.person.name_dv if language() == "dv" else None) or self.person.name

    @property
    def is_fresh(self) -> bool:
        """Whether the person proved who they are a moment ago."""
        limit = timedelta(seconds=parts().settings.reauthentication_s)
        return parts().clock.now() - self.here.auth_time <= limit


def own_page(place: str, *, fresh: bool = False) -> Callable[[Any], Any]:
    """Mark a view of a signed-in person's own page; it gets an Own first.

    place: the page's name in places.py; nobody signed in comes back to it after the sign-in.
    fresh: factors change only shortly after a sign-in, so that a browser left open is not enough.
    """

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def run(**values: str) -> Response:
            if request.method == "POST":
                browser.check_own_form()
            with parts().database.transaction() as session:
                own = whose(session)
                if own is None or (fresh and not own.is_fresh):
                    return sign_in_first(place)
                return view(own, **values)

        return run

    return decorate


def whose(session: Session) -> Own | None:
    """Return the person who is signed in with this browser, or None."""
    here = browser.signed_in(session)
    person = people.by_subject(session, here.sub) if here else None
    return Own(session, here, person) if here and person else None


def sign_in_first(place: str) -> Response:
    """Send the browser to the sign-in page and back."""
    return browser.go("/identity/sign-in", to=place)


def moment_in_words(moment: datetime) -> tuple[str, str]:
    """Return a moment in the Maldives' time in words, and as machines read it."""
    local = moment.astimezone(MALDIVES)
    day = f"{local.day} {text(f'month_{local.month}')} {local.year}"
    return f"{day}, {local:%H:%M}", timestamp(moment)
