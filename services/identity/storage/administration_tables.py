"""Tables of the administration: what waits for a person's word, and the teaching levers."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.identity.storage.tables import Base


class ClientRequest(Base):
    """What a client is to become once somebody else than its owner has said yes."""

    __tablename__ = "client_requests"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    wants: Mapped[dict[str, Any]]  # columns of the client, all of them
    why: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str | None] = mapped_column(String(22))  # a person; None: the operator
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12), index=True)  # waiting, approved, refused, ended
    decided_by: Mapped[str | None] = mapped_column(String(22))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class Lever(Base):
    """A fault that is switched on for the whole demonstration; no row: it is off."""

    __tablename__ = "levers"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
