"""Tables of the stricter profile: pushed requests, and the keys that grants are bound to."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.identity.storage.tables import Base


class PushedRequest(Base):
    """An authorization request that a client sent by itself (RFC 9126); its address is hashed."""

    __tablename__ = "pushed_requests"

    uri_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), index=True
    )
    parameters: Mapped[dict[str, Any]]  # name -> every value
    expires_at: Mapped[datetime] = mapped_column(index=True)  # until then a browser must bring it
    opened_at: Mapped[datetime | None]  # when a browser did: a person is signing in
    used_at: Mapped[datetime | None]  # when it gave its one code


class GrantBinding(Base):
    """The keys that a grant's code and refresh tokens are bound to (RFC 9449 sections 5 and 10)."""

    __tablename__ = "grant_bindings"

    grant_id: Mapped[str] = mapped_column(
        ForeignKey("grants.id", ondelete="CASCADE"), primary_key=True
    )
    code_jkt: Mapped[str | None] = mapped_column(String(43))
    refresh_jkt: Mapped[str | None] = mapped_column(String(43))
