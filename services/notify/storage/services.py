"""Services: their keys, senders and reply-to addresses, and whom a team key may reach."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from services.notify.storage.tables import ApiKey, Guest, ReplyTo, Service, SmsSender

REVOKED_KEYS_ARE_NAMED_FOR = timedelta(days=7)
# built once: they run with every call
_REPLY_TOS = select(ReplyTo).where(
    ReplyTo.service_id == bindparam("of_service"), ReplyTo.is_archived.is_(False)
)
_DEFAULT_REPLY_TO = _REPLY_TOS.where(ReplyTo.is_default.is_(True)).limit(1)
_REPLY_TO = _REPLY_TOS.where(ReplyTo.id == bindparam("wanted"))
_KEYS = (
    select(ApiKey)
    .where(
        ApiKey.service_id == bindparam("of_service"),
        or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > bindparam("since")),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("since")),
    )
    .order_by(ApiKey.created_at, ApiKey.id)
)


@dataclass(frozen=True)
class Sender:
    """A text's sender or an email's reply-to address."""

    id: str
    value: str


def find(session: Session, service_id: str) -> Service | None:
    """Return a service or None."""
    return session.get(Service, service_id)


def keys(session: Session, service_id: str, now: datetime) -> list[ApiKey]:
    """Return a service's keys that a call may be signed with, oldest first.

    Lately revoked ones are among them, so that their holder is told.
    """
    given = {"of_service": service_id, "since": now - REVOKED_KEYS_ARE_NAMED_FOR}
    return list(session.scalars(_KEYS, given))


def note_use(session: Session, key_id: str, now: datetime) -> None:
    """Write down that a key was used."""
    session.execute(
        update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now),
        execution_options={"synchronize_session": False},
    )


def key(session: Session, service_id: str, key_id: str) -> ApiKey | None:
    """Return one of a service's keys, or None."""
    return session.scalar(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.service_id == service_id)
    )


def add_key(session: Session, **values: Any) -> None:
    """Store a new key."""
    session.execute(insert(ApiKey).values(**values))


def change_key(session: Session, key_id: str, **values: Any) -> None:
    """Change a key's life, scopes or networks."""
    session.execute(
        update(ApiKey).where(ApiKey.id == key_id).values(**values),
        execution_options={"synchronize_session": False},
    )


def change(session: Session, service_id: str, **values: Any) -> None:
    """Change what a service is set to."""
    session.execute(
        update(Service).where(Service.id == service_id).values(**values),
        execution_options={"synchronize_session": False},
    )


def is_guest(session: Session, service_id: str, recipient_index: str) -> bool:
    """Whether a recipient is of the service's team or on its guest list."""
    return session.get(Guest, (service_id, recipient_index)) is not None


def sms_sender(session: Session, service_id: str, sender_id: str) -> Sender | None:
    """Return a text's sender by its id, or None when it is not the service's or archived."""
    row = session.get(SmsSender, sender_id)
    if row is None or row.service_id != service_id or row.is_archived:
        return None
    return Sender(row.id, row.text)


def reply_to(session: Session, service_id: str, reply_to_id: str | None) -> Sender | None:
    """Return a reply-to address by its id; without an id the service's default, if it has one."""
    given = {"of_service": service_id}
    if reply_to_id is None:
        row = session.scalars(_DEFAULT_REPLY_TO, given).first()
    else:
        row = session.scalars(_REPLY_TO, given | {"wanted": reply_to_id}).first()
    return Sender(row.id, row.email_address) if row else None
