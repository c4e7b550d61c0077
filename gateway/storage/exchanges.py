"""The exchange log's table: entries appended in the order of commits, and read in pages."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import BIG, Base

_COMMIT_ORDER = 20260301  # the advisory lock that makes numbers appear in order on PostgreSQL


class Exchange(Base):
    """One recorded exchange; numbers rise in the order of commits and are never used again."""

    __tablename__ = "exchanges"
    __table_args__ = (
        Index("ix_exchanges_trace", "trace"),
        Index("ix_exchanges_subject_index", "subject_index"),
        Index("ix_exchanges_at_ms", "at_ms"),
        Index("ix_exchanges_caller_service", "caller", "service", "at_ms"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(BIG, primary_key=True)
    exchange: Mapped[str] = mapped_column(String(32), unique=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    trace: Mapped[str] = mapped_column(String(32))
    caller: Mapped[str | None] = mapped_column(String(255))
    service: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(32))
    route: Mapped[str] = mapped_column(String(255))
    parameters: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    personal: Mapped[str | None] = mapped_column(String(8))
    purpose: Mapped[str | None] = mapped_column(String(64))
    basis: Mapped[str | None] = mapped_column(String(64))
    consent: Mapped[str | None] = mapped_column(String(128))
    categories: Mapped[list[str]] = mapped_column(JSON)
    status: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    sentence: Mapped[str | None] = mapped_column(Text)
    duration_us: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    subject_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    subject_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    subject_commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    acting_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    acting_commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    role: Mapped[str | None] = mapped_column(String(255))
    disclose_at_ms: Mapped[int | None] = mapped_column(BigInteger)


_TABLE = Exchange.__table__


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a reader asks for; what is None does not matter."""

    trace: str | None = None
    caller: str | None = None
    service: str | None = None
    route: str | None = None
    outcome: str | None = None
    subject_index: bytes | None = None
    from_ms: int | None = None
    to_ms: int | None = None  # not with it
    disclosed_at_ms: int | None = None  # only what may be shown to the person by then


EVERYTHING = Wanted()


def lock(session: Session) -> None:
    """Wait for the log's turn, so that numbers appear in the order of commits.

    On SQLite a writing transaction holds the one lock already.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COMMIT_ORDER})


def known_exchanges(session: Session, names: Collection[str]) -> set[str]:
    """Return which of these ids are in the log already."""
    return set(session.scalars(select(_TABLE.c.exchange).where(_TABLE.c.exchange.in_(names))))


def last_number(session: Session) -> int:
    """Return the number of the newest entry, 0 when the log is empty."""
    return session.scalar(select(func.max(_TABLE.c.number))) or 0


def list_exchanges(
    session: Session,
    wanted: Wanted = EVERYTHING,
    *,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    oldest_first: bool | None = None,
) -> list[dict[str, Any]]:
    """Return a page of entries: newest first, or oldest first from ``after`` on.

    oldest_first: take the other end of what lies between before and after.
    """
    columns = _TABLE.c
    query = select(_TABLE).limit(limit)
    for name in ("trace", "caller", "service", "route", "outcome", "subject_index"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(columns[name] == value)
    if wanted.from_ms is not None:
        query = query.where(columns.at_ms >= wanted.from_ms)
    if wanted.to_ms is not None:
        query = query.where(columns.at_ms < wanted.to_ms)
    if wanted.disclosed_at_ms is not None:
        until = columns.disclose_at_ms
        query = query.where(or_(until.is_(None), until <= wanted.disclosed_at_ms))
    if before is not None:
        query = query.where(columns.number < before)
    if after is not None:
        query = query.where(columns.number > after)
    if after is not None if oldest_first is None else oldest_first:
        query = query.order_by(columns.number)
    else:
        query = query.order_by(columns.number.desc())
    return [dict(row) for row in session.execute(query).mappings()]


def find_exchange(session: Session, exchange: str) -> dict[str, Any] | None:
    """Return one entry by its id."""
    found = session.execute(select(_TABLE).where(_TABLE.c.exchange == exchange)).mappings().first()
    return dict(found) if found else None
