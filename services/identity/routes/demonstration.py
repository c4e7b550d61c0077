"""The demonstration's people on the sign-in page: only in the start state, only those it made."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from servicekit.pages import language
from services.identity import start_state
from services.identity.domain import totp
from services.identity.domain.sign_in import Form
from services.identity.parts import parts
from services.identity.storage import people
from services.identity.storage.tables import Person


@dataclass(frozen=True)
class Listed:
    """A demonstration person as the page names them."""

    username: str
    name: str
    about: str


def people_listed(session: Session) -> list[Listed]:
    """Return the people that the start state made, in the seed's order."""
    name = "name_dv" if language() == "dv" else "name"
    return [
        Listed(username, person[name], person["about"].get(language()) or person["about"]["en"])
        for username, person in start_state.seed("people.yaml").items()
        if _made_by_start_state(session, username)
    ]


def filled(username: str) -> tuple[Form, timedelta] | None:
    """Return the sign-in form filled for a demonstration person, or None for anybody else.

    With it comes how long to wait for the next code: zero unless the present ones were used.
    """
    with parts().database.snapshot() as session:
        person = _made_by_start_state(session, username)
    if person is None:
        return None
    given = parts().settings.demonstration["people"][username]
    now = parts().clock.now()
    step = totp.unused_step(now, person.totp_last_step)
    if step is None:
        wait = timedelta(seconds=(totp.step_at(now) + 1) * totp.PERIOD_S - now.timestamp())
        return Form(username, given["password"]), wait
    return Form(username, given["password"], totp.code_at(given["totp_secret"], step)), timedelta()


def _made_by_start_state(session: Session, username: str) -> Person | None:
    given = parts().settings.demonstration["people"].get(username)
    person = people.by_username(session, username) if given else None
    return person if person is not None and person.sub == given["sub"] else None
