"""A register as it was: the size of its log at a moment, and which records changed in between."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from services.registers.storage import log
from services.registers.storage.tables import Entry

_PAGE = 1000


def size_at(session: Session, register_id: int, size: int, moment: int) -> int:
    """Return how many of the first ``size`` entries there were at a moment (seconds since 1970).

    Entries are dated as they are appended, so that the place is found by halving. A loaded log
    whose dates go back and forth is cut at one of the places where they pass the moment.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        at = session.scalar(
            select(Entry.timestamp).where(Entry.register_id == register_id, Entry.number == middle)
        )
        if at is not None and at <= moment:
            low = middle
        else:
            high = middle - 1
    return low


def moment_of(session: Session, register_id: int, number: int) -> int | None:
    """Return when an entry was appended."""
    return session.scalar(
        select(Entry.timestamp).where(Entry.register_id == register_id, Entry.number == number)
    )


def changed_keys(
    session: Session, register_id: int, old: int, new: int, start: str | None, limit: int
) -> list[str]:
    """Return the keys with entries after size ``old`` up to ``new``, from ``start`` on."""
    statement = select(Entry.key).where(
        Entry.register_id == register_id, Entry.number > old, Entry.number <= new
    )
    if start is not None:
        statement = statement.where(Entry.key >= start)
    return list(session.scalars(statement.distinct().order_by(Entry.key).limit(limit)))


def entries_of(session: Session, register_id: int, key: str, old: int, new: int) -> list[int]:
    """Return the numbers of a key's entries after size ``old`` up to ``new``."""
    return list(
        session.scalars(
            select(Entry.number)
            .where(
                Entry.register_id == register_id,
                Entry.key == key,
                Entry.number > old,
                Entry.number <= new,
            )
            .order_by(Entry.number)
        )
    )


def versions(
    session: Session, register_id: int, key: str, start: int, limit: int, size: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a record's entries with their items, oldest first, from number ``start`` on."""
    return session.execute(
        log.WITH_ITEMS.where(
            Entry.register_id == register_id,
            Entry.key == key,
            Entry.number >= start,
            Entry.number <= size,
        )
        .order_by(Entry.number)
        .limit(limit)
    ).all()


def count_of(session: Session, register_id: int, key: str, size: int) -> int:
    """Return how many entries a key had at a size."""
    statement = select(func.count()).where(
        Entry.register_id == register_id, Entry.key == key, Entry.number <= size
    )
    return session.scalar(statement) or 0


def every_record(
    session: Session, register_id: int, size: int | None = None
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Return every record in the order of the keys, page by page; at an earlier size if given."""
    start: str | None = None
    while True:
        if size is None:
            page = log.records_page(session, register_id, start, _PAGE)
        else:
            page = log.records_at(session, register_id, size, start, _PAGE)
        yield from page.rows
        if page.next is None:
            return
        start = page.next
