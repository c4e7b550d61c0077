"""Tables of what people manage themselves: factors, devices, recovery; and the audit of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.identity.storage.tables import Base


class Passkey(Base):
    """A key pair of which the person's device keeps the private half (WebAuthn)."""

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"), index=True)
    credential_hash: Mapped[str] = mapped_column(String(64), unique=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    device_bound: Mapped[bool] = mapped_column(Boolean)  # it cannot leave its device
    label: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class SpentChallenge(Base):
    """A challenge that a passkey has answered: the same answer is worth nothing again."""

    __tablename__ = "spent_challenges"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class KnownDevice(Base):
    """A browser in which a person signed in before; other people's guesses do not delay it."""

    __tablename__ = "known_devices"

    device_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(index=True)


class RecoveryCode(Base):
    """A code on paper that stands in once for the one-time code; kept as a keyed hash."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"), index=True)
    used_at: Mapped[datetime | None]


class Pending(Base):
    """What one browser has begun and not finished: a registration, codes to be written down."""

    __tablename__ = "pending"

    owner_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Recovery(Base):
    """Somebody asks for an account back; without sub it is for a name that nobody has."""

    __tablename__ = "recoveries"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    sub: Mapped[str | None] = mapped_column(ForeignKey("people.sub"), index=True)
    kind: Mapped[str] = mapped_column(String(12))  # password, everything
    message_hash: Mapped[str] = mapped_column(String(64))
    cancel_hash: Mapped[str] = mapped_column(String(64), unique=True)
    tries: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ready_at: Mapped[datetime | None]  # both proofs were given; may be finished from then on
    ended_at: Mapped[datetime | None]  # finished or cancelled


class AuditEvent(Base):
    """One thing that somebody did with an account or a right. Rows are added, never changed."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(48))
    actor: Mapped[str | None] = mapped_column(String(22))
    about: Mapped[str | None] = mapped_column(String(22), index=True)
    client_id: Mapped[str | None] = mapped_column(String(21))
    device: Mapped[str] = mapped_column(String(80))
    network: Mapped[str] = mapped_column(String(80))
    details: Mapped[dict[str, Any]]


class Announcement(Base):
    """A message about an account on its way to notify; sealed, because it may hold a code."""

    __tablename__ = "announcements"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    sub: Mapped[str] = mapped_column(String(22))  # of nobody, when the message is for nobody
    channel: Mapped[str] = mapped_column(String(8))  # email, sms
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)  # a taken one comes due again by itself
    attempts: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(12))  # waiting, sent, given-up
