"""Reading a register's log: entries, blobs, records by pages, and the leaves of its tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from servicekit import merkle
from services.registers.storage.tables import Blob, Entry, Record, Register

ENTRIES = select(Entry.number, Entry.timestamp, Entry.key, Blob.hash).join(
    Blob, (Blob.register_id == Entry.register_id) & (Blob.number == Entry.blob)
)
RECORDS = select(Record.key, Blob.content, Blob.hash).join(
    Blob, (Blob.register_id == Record.register_id) & (Blob.number == Record.blob)
)
BLOBS = select(Blob.hash, Blob.content)


@dataclass(frozen=True)
class Page:
    """Some rows of a list and where the pages before and after begin, if there are any."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    previous: Any = None
    next: Any = None


def entries_page(
    session: Session, register_id: int, start: int | None, limit: int, key: str | None = None
) -> Page:
    """Return entries (number, timestamp, key, blob hash) from number ``start`` on."""
    statement = ENTRIES.where(Entry.register_id == register_id)
    if key is not None:
        statement = statement.where(Entry.key == key)
    return _page(session, statement, Entry.__table__.c.number, start, limit)


def records_page(session: Session, register_id: int, start: str | None, limit: int) -> Page:
    """Return records (key, content, blob hash) in the order of their keys from ``start`` on."""
    statement = RECORDS.where(Record.register_id == register_id)
    return _page(session, statement, Record.__table__.c.key, start, limit)


def blobs_page(session: Session, register_id: int, start: bytes | None, limit: int) -> Page:
    """Return blobs (hash, content) in the order of their hashes from ``start`` on."""
    statement = BLOBS.where(Blob.register_id == register_id)
    return _page(session, statement, Blob.__table__.c.hash, start, limit)


# written once: these are the hot reads, and building a statement costs more than running it
_ONE_ENTRY = ENTRIES.join(Register, Register.id == Entry.register_id).where(
    Register.name == bindparam("register"), Entry.number == bindparam("number")
)
_ONE_RECORD = RECORDS.join(Register, Register.id == Record.register_id).where(
    Register.name == bindparam("register"), Record.key == bindparam("key")
)
_ONE_BLOB = BLOBS.join(Register, Register.id == Blob.register_id).where(
    Register.name == bindparam("register"), Blob.hash == bindparam("hash")
)


def find_entry(session: Session, register: str, number: int) -> Row[int, int, str, bytes] | None:
    """Return one entry (number, timestamp, key, blob hash)."""
    return session.execute(_ONE_ENTRY, {"register": register, "number": number}).first()


def find_record(session: Session, register: str, key: str) -> Row[str, str, bytes] | None:
    """Return one record (key, content, blob hash)."""
    return session.execute(_ONE_RECORD, {"register": register, "key": key}).first()


def find_blob(session: Session, register: str, digest: bytes) -> Row[bytes, str] | None:
    """Return one blob (hash, content)."""
    return session.execute(_ONE_BLOB, {"register": register, "hash": digest}).first()


def leaf_hashes(session: Session, register_id: int, size: int) -> list[bytes]:
    """Return the leaf hashes of the tree over the first ``size`` entries."""
    hashes = session.scalars(
        select(Entry.hash)
        .where(Entry.register_id == register_id, Entry.number <= size)
        .order_by(Entry.number)
    )
    return [merkle.leaf_hash(entry_hash) for entry_hash in hashes]


def _page(
    session: Session,
    statement: Select[*tuple[Any, ...]],
    place: ColumnElement[Any],
    start: Any,
    limit: int,
) -> Page:
    forward = statement if start is None else statement.where(place >= start)
    rows = session.execute(forward.order_by(place).limit(limit + 1)).all()
    previous = None
    if start is not None:
        before = statement.with_only_columns(place).where(place < start)
        starts = session.scalars(before.order_by(place.desc()).limit(limit)).all()
        previous = starts[-1] if starts else None
    # the cursor is the first column's name in every list: number, key or hash
    following = getattr(rows[limit], place.key or "") if len(rows) > limit else None
    return Page(rows[:limit], previous, following)
