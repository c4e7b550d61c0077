"""Tables of the protocol core: signing keys, single use, revoked tokens, sign-outs to deliver."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.identity.storage.tables import Base


class StoredKey(Base):
    """A key that signs tokens; the private half is sealed with the data key."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)  # RFC 7638
    algorithm: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8))  # next, active, retiring, gone
    jwk: Mapped[dict[str, Any]]  # public members only
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # nothing once it is gone
    published_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # when a rotation that was asked for takes place
    active_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)  # why it was withdrawn


class UsedAssertion(Base):
    """The id of a client assertion that was used: it is worth nothing again (RFC 7523)."""

    __tablename__ = "used_assertions"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # of client and jti
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RevokedToken(Base):
    """An access token that was revoked by itself, before its time."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LogoutDelivery(Base):
    """A sign-out that a client must hear of (OpenID Connect Back-Channel Logout 1.0)."""

    __tablename__ = "logout_deliveries"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    sub: Mapped[str] = mapped_column(String(22))  # the platform's; the client is told its own
    sid: Mapped[str] = mapped_column(String(43))
    state: Mapped[str] = mapped_column(String(16))  # waiting, delivered, failed
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)  # a taken one comes due again by itself
    attempts: Mapped[int] = mapped_column(Integer)
    last_answer: Mapped[str | None] = mapped_column(Text)  # a status or a sentence
    delivered_at: Mapped[datetime | None]
