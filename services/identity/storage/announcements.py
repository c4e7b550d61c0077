"""Messages about accounts on their way to notify: written with what they tell of, sent later."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.identity.storage.citizen_tables import Announcement

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given-up"


def add(session: Session, announcement: Announcement) -> None:
    """Put a message into the outbox."""
    session.add(announcement)
    session.flush()


def next_due(session: Session) -> datetime | None:
    """Return when the next message is due, or None when none waits."""
    return session.scalar(
        select(Announcement.due_at)
        .where(Announcement.state == WAITING)
        .order_by(Announcement.due_at)
        .limit(1)
    )


def claim(session: Session, now: datetime, lease: timedelta, limit: int) -> Sequence[Announcement]:
    """Take messages that are due; if this process dies they come due again after the lease."""
    due = session.scalars(
        select(Announcement)
        .where(Announcement.state == WAITING, Announcement.due_at <= now)
        .order_by(Announcement.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for one in due:
        one.due_at, one.attempts = now + lease, one.attempts + 1
    session.flush()
    return due


def settle(session: Session, announcement_id: str, state: str, due_at: datetime) -> None:
    """Write down what became of a message."""
    session.execute(
        update(Announcement)
        .where(Announcement.id == announcement_id)
        .values(state=state, due_at=due_at)
        .execution_options(synchronize_session=False)
    )


def forget_old(session: Session, before: datetime) -> None:
    """Delete messages that are done with."""
    session.execute(
        delete(Announcement).where(Announcement.state != WAITING, Announcement.created_at < before)
    )
