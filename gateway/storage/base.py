"""What all tables of the gateway build on."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlalchemy.orm import DeclarativeBase, Session

BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The gateway's tables."""


def insert_many(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows through the driver itself; values are bound, JSON is given as its text."""
    connection = session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(columns))
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 (our names)
        list(rows),
    )
