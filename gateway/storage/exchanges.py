"""The exchange log's table: entries appended in the order of commits, and read in pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import BIG, Base

_COMMIT_ORDER = 20260301  # the advisory lock that makes numbers appear in order on PostgreSQL


class Exchange(Base):
    """One recorded exchange; numbers rise in the order of commits and are never used again."""

    __tablename__ = "exchanges"
    __table_args__ = (
        Index("ix_exchanges_trace", "trace"),
        Index("ix_exchanges_subject_index", "subject_index"),
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


_TABLE = Exchange.__table__


def append_exchanges(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write entries in order; one that is already there (a repeated attempt) is left alone."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COMMIT_ORDER})
        session.execute(postgresql.insert(Exchange).on_conflict_do_nothing(), rows)
    else:
        session.execute(sqlite.insert(Exchange).on_conflict_do_nothing(), rows)


def last_number(session: Session) -> int:
    """Return the number of the newest entry, 0 when the log is empty."""
    return session.scalar(select(func.max(_TABLE.c.number))) or 0


def list_exchanges(
    session: Session,
    *,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    trace: str | None = None,
    caller: str | None = None,
    service: str | None = None,
    subject_index: bytes | None = None,
) -> list[dict[str, Any]]:
    """Return a page of entries: newest first, or oldest first from ``after`` on."""
    columns = _TABLE.c
    query = select(_TABLE).limit(limit)
    for column, value in (
        (columns.trace, trace),
        (columns.caller, caller),
        (columns.service, service),
        (columns.subject_index, subject_index),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(columns.number < before)
    if after is not None:
        query = query.where(columns.number > after).order_by(columns.number)
    else:
        query = query.order_by(columns.number.desc())
    return [dict(row) for row in session.execute(query).mappings()]


def clear_exchanges(session: Session) -> None:
    """Forget every exchange."""
    session.execute(delete(Exchange))
