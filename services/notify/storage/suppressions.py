"""Whom a service no longer writes to, and when too many of its emails come back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import case, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from services.notify.storage.delivery_tables import Suppression
from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import Notification, Service

PAGE_SIZE = 250
# more than this share of a day's emails came back, of at least so many: sending pauses for a day
BOUNCE_SHARE, BOUNCE_LEAST = 0.1, 20
PAUSED_FOR = timedelta(hours=24)


def add(
    session: Session,
    service_id: str,
    recipient_index: str,
    channel: str,
    reason: str,
    seal: Any,
    now: datetime,
) -> str:
    """Put a recipient on the list, unless they are there; return the entry's id.

    seal: called with the entry's id, returns the sealed address.
    """
    new_id = str(uuid4())
    there = session.scalar(
        select(Suppression.id).filter_by(service_id=service_id, recipient_index=recipient_index)
    )
    if there is not None:
        return there
    made = insert_if_absent(
        session,
        Suppression,
        id=new_id,
        service_id=service_id,
        recipient_index=recipient_index,
        channel=channel,
        reason=reason,
        sealed=seal(new_id),
        created_at=now,
    )
    if made:
        return new_id
    return str(
        session.scalar(
            select(Suppression.id).filter_by(service_id=service_id, recipient_index=recipient_index)
        )
    )


def remove(session: Session, service_id: str, suppression_id: str) -> bool:
    """Take an entry off the list; return whether it was there."""
    gone = session.execute(
        delete(Suppression)
        .where(Suppression.id == suppression_id, Suppression.service_id == service_id)
        .returning(Suppression.id)
    )
    return gone.first() is not None


def remove_recipient(session: Session, service_id: str, recipient_index: str, reason: str) -> None:
    """Take a recipient off the list who was put there for one reason."""
    session.execute(
        delete(Suppression).where(
            Suppression.service_id == service_id,
            Suppression.recipient_index == recipient_index,
            Suppression.reason == reason,
        )
    )


def find(session: Session, service_id: str, suppression_id: str) -> Suppression | None:
    """Return an entry of the service's list, or None."""
    return session.scalar(
        select(Suppression).where(
            Suppression.id == suppression_id, Suppression.service_id == service_id
        )
    )


def page(session: Session, service_id: str, older_than: str | None) -> Sequence[Suppression]:
    """Return the newest entries of a service's list."""
    query = select(Suppression).where(Suppression.service_id == service_id)
    if older_than is not None:
        last = find(session, service_id, older_than)
        if last is None:
            return []
        query = query.where(
            tuple_(Suppression.created_at, Suppression.id) < (last.created_at, last.id)
        )
    newest = query.order_by(Suppression.created_at.desc(), Suppression.id.desc())
    return session.scalars(newest.limit(PAGE_SIZE)).all()


def pause_if_too_many_bounce(session: Session, service_id: str, now: datetime) -> bool:
    """Stop a service's emails for a day when too many of the last day's came back."""
    row = session.execute(
        select(
            func.count(Notification.id),
            func.sum(
                case(
                    (
                        (Notification.status == "permanent-failure")
                        & (Notification.status_reason != "suppressed"),
                        1,
                    ),
                    else_=0,
                )
            ),
        ).where(
            Notification.service_id == service_id,
            Notification.key_type != "test",
            Notification.channel == "email",
            Notification.created_at > now - timedelta(days=1),
            Notification.sent_at.is_not(None) | (Notification.status == "permanent-failure"),
        )
    ).one()
    sent, bounced = row[0], row[1] or 0
    if sent < BOUNCE_LEAST or bounced / sent <= BOUNCE_SHARE:
        return False
    session.execute(
        update(Service)
        .where(
            Service.id == service_id,
            Service.email_paused_until.is_(None) | (Service.email_paused_until <= now),
        )
        .values(email_paused_until=now + PAUSED_FOR),
        execution_options={"synchronize_session": False},
    )
    return True
