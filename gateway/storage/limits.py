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
    session: Session, reported: Mapping[tuple[str, int], tuple[int, int]]
) -> dict[tuple[str, int], int]:
    """Add to the calls of payers in periods; return what all workers have reported of each.

    reported: payer and period → calls, and from when on they may be forgotten (Unix time). Rows
    are written in order, so that two workers never wait for each other.
    """
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    table = cast("Table", CountedCalls.__table__)
    totals = {}
    for (payer, period), (calls, ends_s) in sorted(reported.items()):
        statement = insert(table).values(payer=payer, period=period, ends_s=ends_s, calls=calls)
        statement = statement.on_conflict_do_update(
            index_elements=["payer", "period"],
            set_={"calls": table.c.calls + statement.excluded.calls},
        )
        total = session.scalar(statement.returning(table.c.calls))
        totals[payer, period] = int(total or calls)
    return totals


def forget_calls(session: Session, before_s: int) -> None:
    """Drop the counts of periods that ended before then (Unix time)."""
    session.execute(delete(CountedCalls).where(CountedCalls.ends_s < before_s))
