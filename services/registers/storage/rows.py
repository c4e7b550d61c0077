"""Writing many rows at once, as fast as each engine takes them."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import FromClause, bindparam, delete, insert, update
from sqlalchemy.orm import Session

from servicekit.merkle import TILE_WIDTH
from services.registers.storage.tables import Edge, Record, Tile, core

T = TypeVar("T")
IN_CHUNK = 500  # values in one IN (…): both engines take it
COPY_FROM = 200  # rows from which COPY pays


def chunks(values: Sequence[T], size: int = IN_CHUNK) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def write(
    session: Session, table: FromClause, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows given as tuples in the order of the columns: COPY on PostgreSQL."""
    if not rows:
        return
    connection = session.connection()
    name = core(table).name
    if connection.dialect.name == "postgresql" and len(rows) >= COPY_FROM:
        driver: Any = connection.connection.driver_connection
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types([_COPY_TYPES[str(core(table).c[name].type)] for name in columns])
            for row in rows:
                copy.write_row(row)
    elif connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])
    else:
        session.execute(insert(core(table)), [dict(zip(columns, row, strict=True)) for row in rows])


_COPY_TYPES = {
    "INTEGER": "int4",
    "SMALLINT": "int2",
    "BIGINT": "int8",
    "BLOB": "bytea",
    "TEXT": "text",
    "VARCHAR(200)": "varchar",
    "VARCHAR(255)": "varchar",
}


def move_records(session: Session, register_id: int, moved: Sequence[tuple[str, int, int]]) -> None:
    """Lead records (key, number, blob) that exist to their newer entries."""
    if not moved:
        return
    table = core(Record.__table__)
    session.connection().execute(
        update(table).where(table.c.register_id == register_id, table.c.key == bindparam("at_key")),
        [{"at_key": key, "number": number, "blob": blob} for key, number, blob in moved],
    )


def write_edge(
    session: Session, register_id: int, tree: int, leaves: Sequence[tuple[int, bytes]]
) -> None:
    """Keep leaf hashes (number, hash) whose tile is not full yet."""
    values = [(register_id, tree, number, digest) for number, digest in leaves]
    write(session, Edge.__table__, ("register_id", "tree", "number", "hash"), values)


def forget_edge(session: Session, register_id: int, size: int) -> None:
    """Forget the leaf hashes that are in full tiles at a size."""
    session.execute(
        delete(Edge).where(
            Edge.register_id == register_id, Edge.number <= size // TILE_WIDTH * TILE_WIDTH
        )
    )


def write_tiles(session: Session, tiles: Sequence[dict[str, Any]]) -> None:
    """Write tiles: frozen ones once, the growing ones of the upper levels over themselves."""
    if not tiles:
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_over
    else:
        from sqlalchemy.dialects.sqlite import (  # type: ignore[assignment]
            insert as insert_over,
        )
    statement = insert_over(core(Tile.__table__))
    place = ["register_id", "tree", "level", "number"]
    statement = statement.on_conflict_do_update(
        index_elements=place, set_={"data": statement.excluded.data}
    )
    session.execute(statement, list(tiles))
