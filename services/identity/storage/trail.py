"""The audit of privileged actions: who changed programs, keys and levers, when and why."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.identity.storage.citizen_tables import AuditEvent
from services.identity.storage.tables import Person

PAGE = 50
PRIVILEGED = ("client-", "key-", "lever-")  # how the kinds of privileged events begin


def privileged(
    session: Session, *, about: str | None = None, before: int | None = None
) -> Sequence[AuditEvent]:
    """Return a page of privileged actions, newest first: all, or those about one person."""
    query = select(AuditEvent).where(
        or_(*(AuditEvent.kind.like(f"{start}%") for start in PRIVILEGED))
    )
    if about is not None:
        query = query.where(AuditEvent.about == about)
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return session.scalars(query.order_by(AuditEvent.id.desc()).limit(PAGE)).all()


def usernames(session: Session, events: Sequence[AuditEvent]) -> dict[str, str]:
    """Return the user names of those who acted, by subject."""
    actors = {event.actor for event in events if event.actor}
    rows = session.execute(select(Person.sub, Person.username).where(Person.sub.in_(actors)))
    return {row.sub: row.username for row in rows}
