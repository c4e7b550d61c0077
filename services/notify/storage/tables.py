"""The tables: who may send, what was accepted, what is still to do, what arrived."""

from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware in Python on every engine (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store as UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None or value.tzinfo:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Declares the tables."""

    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        str: String,
        bytes: LargeBinary,
        dict[str, str]: JSON,
        list[str]: JSON,
        dict[str, int]: JSON,
    }


def table_of(model: type[Base]) -> Table:
    """Return a model's table, for statements that need none of the ORM's care."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 (every model here is one table)
    return table


class Service(Base):
    """A department that sends; ``name_id`` is its client id on the platform.

    is_restricted: trial mode. limits: where they differ from ``domain.limits``. sealed_key: its own
    key for recipients and texts, sealed with the platform's; services of the first version have
    none and use the platform's. keyring: sealed keys of weeks, thrown away at retention. retention:
    days by channel.
    """

    __tablename__ = "service"

    id: Mapped[str] = mapped_column(primary_key=True)
    name_id: Mapped[str]
    name: Mapped[dict[str, str]]
    is_active: Mapped[bool]
    country: Mapped[str]
    permissions: Mapped[list[str]]
    sms_sender: Mapped[str]
    email_sender: Mapped[str]
    is_restricted: Mapped[bool] = mapped_column(default=False)
    prefix_sms: Mapped[bool] = mapped_column(default=False)
    file_contact: Mapped[str | None]
    limits: Mapped[dict[str, int]] = mapped_column(default=dict)
    sealed_key: Mapped[bytes | None]
    retention: Mapped[dict[str, int]] = mapped_column(default=dict)
    keyring: Mapped[dict[str, str]] = mapped_column(default=dict)
    email_paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key of a service; its secret must be recoverable (HS256), so it is sealed, not hashed.

    scopes, networks: None means everything, from everywhere.
    """

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), index=True)
    name: Mapped[str]
    key_type: Mapped[str]
    sealed_secret: Mapped[bytes]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    networks: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


class Guest(Base):
    """A recipient whom a service's team key may reach: its team and its guest list."""

    __tablename__ = "guest"

    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), primary_key=True)
    recipient_index: Mapped[str] = mapped_column(primary_key=True)


class Template(Base):
    """One version of a template; the highest version is the present one.

    escapes_values: values cannot bring formatting into an email. redacted: placeholders whose
    values are sent and never shown again.
    """

    __tablename__ = "template"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), index=True)
    type: Mapped[str]
    name: Mapped[str]
    subject: Mapped[str | None]
    body: Mapped[str]
    is_archived: Mapped[bool]
    is_hidden: Mapped[bool] = mapped_column(default=False)
    postage: Mapped[str | None]
    contact_block: Mapped[str | None]
    escapes_values: Mapped[bool] = mapped_column(default=True)
    has_unsubscribe: Mapped[bool] = mapped_column(default=False)
    redacted: Mapped[list[str]] = mapped_column(default=list)
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Notification(Base):
    """A message that was accepted; ``sealed`` holds everything personal about it.

    status_reason: why it stands so, a name of ``domain.reasons``. provider_response: the code that
    the provider gave.
    """

    __tablename__ = "notification"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    key_type: Mapped[str]
    channel: Mapped[str]
    template_id: Mapped[str]
    template_version: Mapped[int]
    status: Mapped[str]
    recipient_index: Mapped[str] = mapped_column(index=True)
    reference_index: Mapped[str | None] = mapped_column(index=True)
    sealed: Mapped[bytes]
    fragments: Mapped[int]
    rate_multiplier: Mapped[int] = mapped_column(default=1)
    postage: Mapped[str | None]
    sheets: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    provider: Mapped[str | None]
    provider_response: Mapped[str | None]
    status_reason: Mapped[str | None]
    bulk_id: Mapped[str | None]
    bulk_row: Mapped[int | None]
    scheduled_for: Mapped[datetime | None]

    __table_args__ = (
        Index("notification_newest", "service_id", "key_type", "created_at", "id"),
        Index("notification_of_bulk", "bulk_id", "bulk_row"),
        Index("notification_age", "service_id", "channel", "created_at"),
    )


class Idempotency(Base):
    """An answer that was given under an Idempotency-Key, for retries within a day."""

    __tablename__ = "idempotency"

    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), primary_key=True)
    key_index: Mapped[str] = mapped_column(primary_key=True)
    body_index: Mapped[str]
    sealed_answer: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Job(Base):
    """Something still to do; a lease says which worker has it and until when.

    target_id: what it is about, where that is no notification. lane: see ``domain.lanes``.
    """

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    notification_id: Mapped[str | None] = mapped_column(ForeignKey("notification.id"), index=True)
    target_id: Mapped[str | None]
    lane: Mapped[int] = mapped_column(default=0)
    last_provider: Mapped[str | None]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]

    __table_args__ = (Index("job_done_at", "done_at"),)


Index(
    "job_due",
    Job.lane,
    Job.due_at,
    Job.id,
    sqlite_where=Job.done_at.is_(None),
    postgresql_where=Job.done_at.is_(None),
)


class DeliveryAttempt(Base):
    """One call to a provider, written before the call is made."""

    __tablename__ = "delivery_attempt"

    notification_id: Mapped[str] = mapped_column(ForeignKey("notification.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[str | None]


class InboxMessage(Base):
    """A message that arrived in the inbox; one row for each notification, whatever happens."""

    __tablename__ = "inbox_message"

    notification_id: Mapped[str] = mapped_column(ForeignKey("notification.id"), primary_key=True)
    recipient_index: Mapped[str]
    delivered_at: Mapped[datetime]

    __table_args__ = (Index("inbox_newest", "recipient_index", "delivered_at", "notification_id"),)


class PersonAddress(Base):
    """Where a person of the demonstration is reached."""

    __tablename__ = "person_address"

    subject: Mapped[str] = mapped_column(primary_key=True)
    recipient_index: Mapped[str] = mapped_column(primary_key=True)


class WorkerBeat(Base):
    """When a worker was last seen."""

    __tablename__ = "worker_beat"

    worker: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]


class SmsSender(Base):
    """A sender of texts that callers name by its id; without an id it is the service's own."""

    __tablename__ = "sms_sender"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), index=True)
    text: Mapped[str]
    is_default: Mapped[bool]
    is_archived: Mapped[bool]


class ReplyTo(Base):
    """An address that answers to a service's emails go to."""

    __tablename__ = "reply_to"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), index=True)
    email_address: Mapped[str]
    is_default: Mapped[bool]
    is_archived: Mapped[bool]


class RateBucket(Base):
    """How many calls a type of key may still make at once; it fills up again every second."""

    __tablename__ = "rate_bucket"

    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), primary_key=True)
    key_type: Mapped[str] = mapped_column(primary_key=True)
    millitokens: Mapped[int]
    filled_at: Mapped[datetime]


class DailyCount(Base):
    """How many messages of a kind a service sent on a day (UTC)."""

    __tablename__ = "daily_count"

    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class Letter(Base):
    """The pages of a letter: made by the worker, or sent by the caller (precompiled)."""

    __tablename__ = "letter"

    notification_id: Mapped[str] = mapped_column(ForeignKey("notification.id"), primary_key=True)
    is_precompiled: Mapped[bool]
    sealed_pdf: Mapped[bytes]
    made_at: Mapped[datetime]


class Document(Base):
    """A file sent as a link; only the link holds the key that opens both sealed parts."""

    __tablename__ = "document"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    sealed_facts: Mapped[bytes]
    sealed_content: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int]
    tries_since: Mapped[datetime]


class ReceivedText(Base):
    """A text that somebody sent to a service."""

    __tablename__ = "received_text"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]

    __table_args__ = (Index("received_text_newest", "service_id", "created_at", "id"),)
