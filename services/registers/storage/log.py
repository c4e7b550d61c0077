"""Reading a register's log: entries, blobs and records by pages, now and at any earlier size.

Every read stops at the size that the head tells: what a load has written beyond is not there yet.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from services.registers.storage import blobs, rows, system
from services.registers.storage.tables import Blob, Entry, Head, Record, Register

_BLOB_OF_ENTRY = and_(Blob.register_id == Entry.register_id, Blob.number == Entry.blob)
ENTRIES = (
    select(Entry.number, Entry.timestamp, Entry.key, Blob.hash, Blob.item_hash)
    .join(Blob, _BLOB_OF_ENTRY)
    .join(Head, Head.register_id == Entry.register_id)
    .where(Entry.number <= Head.size)
)
WITH_ITEMS = ENTRIES.add_columns(Blob.content)
_RECORD_COLUMNS = (
    Entry.key, Blob.content, Blob.hash, Entry.number, Entry.timestamp, Blob.item_hash
)  # fmt: skip
_EXPORT = 2000  # entries read at once


@dataclass(frozen=True)
class Page:
    """Some rows of a list and where the pages before and after begin, if there are any."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    previous: Any = None
    next: Any = None


def size_of(session: Session, register_id: int) -> int:
    """Return how many entries a register has."""
    return session.scalar(select(Head.size).where(Head.register_id == register_id)) or 0


# -- entries


def entries_page(
    session: Session, register_id: int, start: int | None, limit: int, key: str | None = None,
    *, size: int | None = None,
) -> Page:  # fmt: skip
    """Return entries (number, timestamp, key, hash, item_hash) from number ``start`` on.

    size: as they were when the log had so many.
    """
    statement = ENTRIES.where(Entry.register_id == register_id)
    if size is not None:
        statement = statement.where(Entry.number <= size)
    if key is not None:
        statement = statement.where(Entry.key == key)
    return _page(session, statement, Entry.__table__.c.number, start, limit)


_ONE_ENTRY = ENTRIES.join(Register, Register.id == Entry.register_id).where(
    Register.name == bindparam("register"),
    Entry.number == bindparam("number"),
    Head.hidden.is_(False),
)


def find_entry(
    session: Session, register: str, number: int
) -> Row[int, int, str, bytes, bytes] | None:
    """Return one entry (number, timestamp, key, hash, item_hash)."""
    return session.execute(_ONE_ENTRY, {"register": register, "number": number}).first()


def entries_between(
    session: Session, register_id: int, first: int, last: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the entries first to last with their items (number, timestamp, key, …, content)."""
    return session.execute(
        ENTRIES.add_columns(Blob.content)
        .where(Entry.register_id == register_id, Entry.number >= first, Entry.number <= last)
        .order_by(Entry.number)
    ).all()


def export_entries(
    session: Session, register_id: int, first: int, last: int
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Return the entries first to last (number, timestamp, key, hash, item_hash), bit by bit."""
    statement = ENTRIES.where(Entry.register_id == register_id).order_by(Entry.number)
    for begin in range(first, last + 1, _EXPORT):
        end = min(last, begin + _EXPORT - 1)
        yield from session.execute(statement.where(Entry.number >= begin, Entry.number <= end))


def export_items(session: Session, register_id: int, first: int, last: int) -> Iterator[str]:
    """Return the items of the entries first to last, each once, in the order of first use.

    Blobs are numbered in the order of first use: one above all before it is new, and one from
    before the part is remembered when it was seen.
    """
    before = 0
    if first > 1:
        used = select(func.max(Entry.blob)).where(
            Entry.register_id == register_id, Entry.number < first
        )
        before = session.scalar(used) or 0
    highest, older = before, set[int]()
    statement = select(Entry.blob).where(Entry.register_id == register_id).order_by(Entry.number)
    for begin in range(first, last + 1, _EXPORT):
        end = min(last, begin + _EXPORT - 1)
        wanted: list[int] = []
        for blob in session.scalars(statement.where(Entry.number >= begin, Entry.number <= end)):
            if blob > highest:
                highest = blob
                wanted.append(blob)
            elif blob <= before and blob not in older:
                older.add(blob)
                wanted.append(blob)
        contents = blobs.contents_of(session, register_id, wanted)
        yield from (contents[blob] for blob in wanted)


# -- records


_AT = select(*_RECORD_COLUMNS).select_from(Entry).join(Blob, _BLOB_OF_ENTRY)
_RECORDS = (
    select(Record.key, Blob.content, Blob.hash, Record.number, Entry.timestamp, Blob.item_hash)
    .join(Blob, and_(Blob.register_id == Record.register_id, Blob.number == Record.blob))
    .join(Entry, and_(Entry.register_id == Record.register_id, Entry.number == Record.number))
)
_ONE_RECORD = (
    _RECORDS.join(Register, Register.id == Record.register_id)
    .join(Head, Head.register_id == Record.register_id)
    .add_columns(Head.size, Register.id)
    .where(
        Register.name == bindparam("register"),
        Record.key == bindparam("key"),
        Record.first <= Head.size,
        Head.hidden.is_(False),
    )
)
_ONE_RECORD_AT = (
    _AT.where(
        Entry.register_id == bindparam("register"),
        Entry.key == bindparam("key"),
        Entry.number <= bindparam("size"),
    )
    .order_by(Entry.number.desc())
    .limit(1)
)


def find_record(
    session: Session, register: str, key: str
) -> Row[str, str, bytes, int, int, bytes] | None:
    """Return one record (key, content, hash, number, timestamp, item_hash)."""
    row = session.execute(_ONE_RECORD, {"register": register, "key": key}).first()
    if row is not None and row.number > row.size:  # a load that is not published changes it
        return record_at(session, row.id, key, row.size)
    return row


def record_at(
    session: Session, register_id: int, key: str, size: int
) -> Row[str, str, bytes, int, int, bytes] | None:
    """Return one record as it was when the log had ``size`` entries."""
    values = {"register": register_id, "key": key, "size": size}
    return session.execute(_ONE_RECORD_AT, values).first()


def records_page(session: Session, register_id: int, start: str | None, limit: int) -> Page:
    """Return records (columns of ``find_record``) in the order of their keys from ``start`` on."""
    size = size_of(session, register_id)
    statement = _RECORDS.where(Record.register_id == register_id, Record.first <= size)
    page = _page(session, statement, Record.__table__.c.key, start, limit)
    return _settled(session, register_id, size, page)


def records_of(session: Session, register_id: int, keys: Sequence[str]) -> list[Any]:
    """Return the records with these keys (columns of ``find_record``), in their order."""
    found: dict[str, Any] = {}
    for part in rows.chunks(keys):
        statement = _RECORDS.where(Record.register_id == register_id, Record.key.in_(part))
        found |= {row.key: row for row in session.execute(statement)}
    page = Page([found[key] for key in keys if key in found])
    return list(_settled(session, register_id, size_of(session, register_id), page).rows)


def records_at(
    session: Session, register_id: int, size: int, start: str | None, limit: int
) -> Page:
    """Return the records as they were when the log had ``size`` entries, from ``start`` on."""
    now = size_of(session, register_id)
    if size * size >= limit * now:
        keys = select(Record.key).where(Record.register_id == register_id, Record.first <= size)
        place: ColumnElement[Any] = Record.__table__.c.key
    else:  # few of the records are that old: look through the entries instead
        return _old_records(session, register_id, size, start, limit)
    page = _page(session, keys, place, start, limit)
    found = [record_at(session, register_id, row.key, size) for row in page.rows]
    return Page([row for row in found if row is not None], page.previous, page.next)


def _old_records(
    session: Session, register_id: int, size: int, start: str | None, limit: int
) -> Page:
    statement = (
        select(Entry.key)
        .where(Entry.register_id == register_id, Entry.number <= size)
        .order_by(Entry.number)
    )
    keys = sorted(set(session.scalars(statement)), key=str.encode)
    begin = 0 if start is None else bisect_left(keys, start.encode(), key=str.encode)
    found = [record_at(session, register_id, key, size) for key in keys[begin : begin + limit]]
    return Page(
        [row for row in found if row is not None],
        keys[max(0, begin - limit)] if begin else None,
        keys[begin + limit] if begin + limit < len(keys) else None,
    )


def records_count_at(session: Session, register_id: int, size: int) -> int:
    """Return how many records there were when the log had ``size`` entries."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Record)
            .where(Record.register_id == register_id, Record.first <= size)
        )
        or 0
    )


def key_at(session: Session, register_id: int, offset: int) -> str | None:
    """Return the key of a record by its place: for the page numbers of version 1 alone.

    Everything else goes on from a key, because this reads all that lies before.
    """
    return session.scalar(
        select(Record.key)
        .where(Record.register_id == register_id, Record.first <= size_of(session, register_id))
        .order_by(Record.key)
        .offset(offset)
        .limit(1)
    )


def facet_page(
    session: Session,
    register_id: int,
    field: str,
    value: str,
    start: str | None,
    limit: int,
) -> Page:
    """Return the records whose field equals the value, or has it among its values."""
    size = size_of(session, register_id)
    written = json.dumps(value, ensure_ascii=False)
    place = Record.__table__.c.key
    statement = _RECORDS.where(
        Record.register_id == register_id,
        Record.first <= size,
        Blob.content.contains(written, autoescape=True),
    ).execution_options(yield_per=_EXPORT)

    def matching(rows: Iterable[Row[*tuple[Any, ...]]], most: int) -> list[Any]:
        found: list[Any] = []
        for row in rows:
            given = json.loads(row.content).get(field)
            if given == value or (isinstance(given, list) and value in given):
                found.append(row)
                if len(found) == most:
                    break
        return found

    forward = statement if start is None else statement.where(place >= start)
    rows = matching(session.execute(forward.order_by(place)), limit + 1)
    before: list[Any] = []
    if start is not None:
        backward = statement.where(place < start).order_by(place.desc())
        before = matching(session.execute(backward), limit)
    page = Page(
        rows[:limit],
        before[-1].key if before else None,
        rows[limit].key if len(rows) > limit else None,
    )
    return _settled(session, register_id, size, page)


def _settled(session: Session, register_id: int, size: int, page: Page) -> Page:
    """Put the published state in the place of records that a load is changing."""
    if all(row.number <= size for row in page.rows):
        return page
    settled = [
        row if row.number <= size else record_at(session, register_id, row.key, size)
        for row in page.rows
    ]
    return Page([row for row in settled if row is not None], page.previous, page.next)


# -- blobs


def blobs_page(session: Session, register_id: int, start: bytes | None, limit: int) -> Page:
    """Return blobs (hash, content, item_hash), oldest first, from the one with this hash on."""
    return _blobs_page(session, register_id, blobs.BLOB, start, limit)


def items_page(session: Session, register_id: int, start: bytes | None, limit: int) -> Page:
    """Return items (hash, content, item_hash), oldest first, from the one with this hash on."""
    return _blobs_page(session, register_id, blobs.ITEM, start, limit)


def find_blob(session: Session, register: str, digest: bytes) -> Any:
    """Return one blob (hash, content, item_hash, number) by its hash of version 2."""
    return blobs.find(session, register, blobs.BLOB, digest)


def find_item(session: Session, register: str, item_hash: bytes) -> str | None:
    """Return an item by its hash of version 1; items of the system log too."""
    row = blobs.find(session, register, blobs.ITEM, item_hash)
    if row is not None:
        return str(row.content)
    register_id = session.scalar(select(Register.id).where(Register.name == register))
    return None if register_id is None else system.find_content(session, register_id, item_hash)


def _blobs_page(
    session: Session, register_id: int, kind: int, start: bytes | None, limit: int
) -> Page:
    """Return a page without blobs whose hash an earlier one has: a page begins with a hash."""
    first = 1
    if start is not None:
        found = blobs.find_in(session, register_id, kind, start)
        if found is None:
            return Page([])
        first = found.number
    statement = (
        select(Blob.hash, Blob.content, Blob.item_hash, Blob.number)
        .join(Head, Head.register_id == Blob.register_id)
        .where(Blob.register_id == register_id, Blob.number <= Head.blobs)
        .limit(limit + 1)
    )

    def walk(statement: Select[*tuple[Any, ...]], forward: bool, most: int) -> list[Any]:
        rows: list[Any] = []
        place = first if forward else first - 1
        while len(rows) < most:
            edge = Blob.number >= place if forward else Blob.number <= place
            order = Blob.number if forward else Blob.number.desc()
            read = session.execute(statement.where(edge).order_by(order)).all()
            rows += blobs.first_of_their_hash(session, register_id, kind, read)
            if len(read) <= limit:
                break
            place = read[-1].number + (1 if forward else -1)
        return rows[:most]

    rows = walk(statement, True, limit + 1)
    before = walk(statement, False, limit) if first > 1 else []
    column = "hash" if kind == blobs.BLOB else "item_hash"
    return Page(
        rows[:limit],
        getattr(before[-1], column) if before else None,
        getattr(rows[limit], column) if len(rows) > limit else None,
    )


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
    following = getattr(rows[limit], place.key or "") if len(rows) > limit else None
    return Page(rows[:limit], previous, following)
