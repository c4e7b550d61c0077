"""More tables: callbacks, bulk, whom not to write to, and the statistics that outlive messages."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.notify.storage.tables import Base


class InboundNumber(Base):
    """A number that a service's texts come in at."""

    __tablename__ = "inbound_number"

    number: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))


class CallbackEndpoint(Base):
    """Where a service wants to be told; ``sealed`` holds address, bearer token and signing key."""

    __tablename__ = "callback_endpoint"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    kind: Mapped[str]
    sealed: Mapped[bytes]
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("service_id", "kind", name="callback_endpoint_once"),)


class Callback(Base):
    """One thing to tell, and what came of it.

    facts: nothing personal; recipient and reference are added when it is sent. state: pending,
    delivered or dead.
    """

    __tablename__ = "callback"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    kind: Mapped[str]
    notification_id: Mapped[str | None] = mapped_column(index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str]
    attempts: Mapped[int]
    answered: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    settled_at: Mapped[datetime | None]

    __table_args__ = (Index("callback_newest", "service_id", "created_at", "id"),)


class Bulk(Base):
    """Many messages from one template, accepted together; ``sealed`` holds its name."""

    __tablename__ = "bulk"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    key_id: Mapped[str]
    key_type: Mapped[str]
    channel: Mapped[str]
    template_id: Mapped[str]
    template_version: Mapped[int]
    sealed: Mapped[bytes]
    count: Mapped[int]
    scheduled_for: Mapped[datetime | None]
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (Index("bulk_newest", "service_id", "created_at", "id"),)


class Suppression(Base):
    """A recipient whom a service no longer writes to."""

    __tablename__ = "suppression"

    id: Mapped[str] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"))
    recipient_index: Mapped[str]
    channel: Mapped[str]
    reason: Mapped[str]
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("service_id", "recipient_index", name="suppression_once"),)


class Statistic(Base):
    """What is kept of messages that retention removed. in_time: handed over within 10 s."""

    __tablename__ = "statistic"

    service_id: Mapped[str] = mapped_column(ForeignKey("service.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    key_type: Mapped[str] = mapped_column(primary_key=True)
    template_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    fragments: Mapped[int]
    in_time: Mapped[int]
