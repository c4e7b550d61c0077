"""How often each payer called, as all workers report it."""

from collections.abc import Mapping
from typing import cast

from sqlalchemy import BigInteger, String, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import Base


class CountedCalls(Base):
    """The calls of one payer in one period."""

    __tablename__ = "counted_calls"

    payer: Mapped[str] = mapped_column(String(300), primary_key=True)
    period: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    ends_s: Mapped[int] = mapped_column(BigInteger, index=True)
    calls: Mapped[int] = mapped_column(BigInteger)


def count_calls(
    session: Session, reported: Mapping[tuple[str, int], int], ends_s: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], int]:
    """Add to each payer's calls of a period; return what all workers have reported of them.

    Rows are written in order, so that two workers never wait for each other.
    """
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    table = cast("Table", CountedCalls.__table__)
    totals = {}
    for key in sorted(reported):
        statement = insert(table).values(
            payer=key[0], period=key[1], ends_s=ends_s[key], calls=reported[key]
        )
        statement = statement.on_conflict_do_update(
            index_elements=["payer", "period"],
            set_={"calls": table.c.calls + statement.excluded.calls},
        )
        totals[key] = int(session.scalar(statement.returning(table.c.calls)) or 0)
    return totals


def forget_calls(session: Session, before_s: int) -> None:
    """Drop the counts of periods that ended before then (Unix time)."""
    session.execute(delete(CountedCalls).where(CountedCalls.ends_s < before_s))
