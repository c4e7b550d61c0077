"""Accounts: made, changed, and ended everywhere at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.identity.storage import grants
from services.identity.storage.tables import Grant, Person, SignInSession


def add(session: Session, **values: Any) -> Person:
    """Make an account of somebody about whose identity nothing has been checked."""
    person = Person(home_island=None, roles=[], identity_level="low", evidence=[], **values)
    session.add(person)
    session.flush()
    return person


def change(session: Session, person: Person, **values: Any) -> None:
    """Change fields of an account."""
    session.execute(update(Person).where(Person.sub == person.sub).values(**values))


def end_sessions(session: Session, sub: str, now: datetime, keep: str | None = None) -> None:
    """End a person's sessions but one, and every grant, that of the one kept included."""
    living = select(Grant.id).where(
        Grant.sub == sub, Grant.revoked_at.is_(None), Grant.expires_at > now
    )
    for grant_id in session.scalars(living).all():
        grants.revoke(session, grant_id, now)
    ending = delete(SignInSession).where(SignInSession.sub == sub)
    session.execute(ending if keep is None else ending.where(SignInSession.id_hash != keep))
