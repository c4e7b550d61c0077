"""People: found by name or subject; their one-time codes are taken once."""

from sqlalchemy import or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.storage.tables import Person


def by_username(session: Session, username: str) -> Person | None:
    """Return the person with this user name, or None."""
    if "\0" in username:
        return None  # PostgreSQL refuses the character, so nobody can have it
    return session.scalar(select(Person).where(Person.username == username))


def by_subject(session: Session, sub: str) -> Person | None:
    """Return the person with this subject, or None."""
    return None if "\0" in sub else session.get(Person, sub)


def take_totp_step(session: Session, sub: str, step: int) -> bool:
    """Claim a code's time step for one sign-in; False when it or a later one was used."""
    result = session.execute(
        update(Person)
        .where(
            Person.sub == sub,
            or_(Person.totp_last_step.is_(None), Person.totp_last_step < step),
        )
        .values(totp_last_step=step)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1
