"""The inbox: what arrived for the people of the demonstration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import InboxMessage, Notification, PersonAddress, Service

PAGE_SIZE = 50


@dataclass(frozen=True)
class Arrived:
    """A message in somebody's inbox; ``sealed`` is the notification's."""

    id: str
    channel: str
    sealed: bytes
    delivered_at: datetime
    service_id: str
    service_key: bytes | None
    keyring: dict[str, str]
    service_name: dict[str, str]


def deliver(session: Session, notification_id: str, recipient_index: str, now: datetime) -> bool:
    """Put a notification into the inbox once; return False when it was there already."""
    return insert_if_absent(
        session,
        InboxMessage,
        notification_id=notification_id,
        recipient_index=recipient_index,
        delivered_at=now,
    )


def arrive(session: Session, ids: Sequence[str], now: datetime) -> None:
    """Put messages that a provider delivered into the inboxes of those who have one here."""
    rows = session.execute(
        select(Notification.id, Notification.recipient_index).where(
            Notification.id.in_(ids),
            Notification.recipient_index.in_(select(PersonAddress.recipient_index)),
        )
    ).all()
    for row in rows:
        deliver(session, row.id, row.recipient_index, now)


def page(
    session: Session, subject: str, *, channel: str | None, before: str | None
) -> tuple[list[Arrived], str | None]:
    """Return a person's newest messages and, when there are more, the id to continue before."""
    theirs = _addresses_of(subject)
    query = _arrived(theirs)
    if channel is not None:
        query = query.where(Notification.channel == channel)
    if before is not None:
        last = session.scalar(
            select(InboxMessage).where(
                InboxMessage.notification_id == before, InboxMessage.recipient_index.in_(theirs)
            )
        )
        if last is None:
            return [], None
        query = query.where(
            tuple_(InboxMessage.delivered_at, InboxMessage.notification_id)
            < (last.delivered_at, last.notification_id)
        )
    rows = session.execute(
        query.order_by(InboxMessage.delivered_at.desc(), InboxMessage.notification_id.desc()).limit(
            PAGE_SIZE + 1
        )
    )
    found = [Arrived(**row._mapping) for row in rows]
    shown = found[:PAGE_SIZE]
    return shown, shown[-1].id if len(found) > PAGE_SIZE else None


def find(session: Session, subject: str, notification_id: str) -> Arrived | None:
    """Return one of a person's messages, or None."""
    query = _arrived(_addresses_of(subject)).where(Notification.id == notification_id)
    row = session.execute(query).first()
    return Arrived(**row._mapping) if row else None


def _addresses_of(subject: str) -> Select[str]:
    return select(PersonAddress.recipient_index).where(PersonAddress.subject == subject)


def _arrived(addresses: Select[str]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Notification.id,
            Notification.channel,
            Notification.sealed,
            InboxMessage.delivered_at,
            Service.id.label("service_id"),
            Service.sealed_key.label("service_key"),
            Service.keyring,
            Service.name.label("service_name"),
        )
        .join(InboxMessage, InboxMessage.notification_id == Notification.id)
        .join(Service, Service.id == Notification.service_id)
        .where(InboxMessage.recipient_index.in_(addresses))
    )
