"""The tree over the exchange log: hashes, its head, signed checkpoints, and what was let go."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import BIG, Base, insert_many
from gateway.storage.exchanges import Exchange, lock
from gateway.storage.guards import guard
from servicekit import merkle

STORED_LEVELS = merkle.TILE_HEIGHT  # leaves, and every eighth level above them
_CHUNK = 500


class LogHash(Base):
    """One hash of the tree; of a leaf (level 0) also which erasure took the content away."""

    __tablename__ = "log_hashes"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    erasure: Mapped[int | None] = mapped_column(BigInteger)


class LogTree(Base):
    """How far the tree has grown: one row. Leaf n holds the entry begins_after + n + 1."""

    __tablename__ = "log_tree"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    begins_after: Mapped[int] = mapped_column(BigInteger)


class LogCheckpoint(Base):
    """One signed head."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text)


class LogErasure(Base):
    """When and why the content of entries was let go."""

    __tablename__ = "log_erasures"

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(64))
    entries: Mapped[int] = mapped_column(BigInteger)


for _model in (Exchange, LogHash, LogTree, LogCheckpoint, LogErasure):
    assert isinstance(_model.__table__, Table)  # noqa: S101 (a programming error, not input)
    guard(_model.__table__)


def tree_state(session: Session) -> tuple[int, list[bytes], int]:
    """Return size, peaks and the number before the first leaf's; begin the tree if need be."""
    found = session.execute(select(LogTree.size, LogTree.peaks, LogTree.begins_after)).first()
    if found is None:  # entries that are older than the tree stay outside it
        return 0, [], session.scalar(select(func.max(Exchange.number))) or 0
    size, peaks, begins_after = found
    return size, [peaks[at : at + 32] for at in range(0, len(peaks), 32)], begins_after


def grow_tree(
    session: Session, size: int, peaks: Sequence[bytes], begins_after: int, leaves: list[bytes]
) -> None:
    """Append leaf hashes; the caller holds the log's lock and has just read the state."""
    grown, complete = merkle.grow(peaks, size, leaves)
    insert_many(
        session,
        LogHash.__tablename__,
        ("level", "place", "hash"),
        [(level, place, value) for (level, place), value in complete if level % STORED_LEVELS == 0],
    )
    state = {"size": size + len(leaves), "peaks": b"".join(grown)}
    if not session.execute(update(LogTree).values(state)).rowcount:  # type: ignore[attr-defined]
        session.execute(insert(LogTree), [{"id": 1, "begins_after": begins_after, **state}])


def read_hashes(session: Session, size: int) -> merkle.HashReader:
    """Return a reader of the hashes of the tree when it had ``size`` leaves."""

    def tile(level: int, index: int, width: int) -> bytes:
        first = index * merkle.TILE_WIDTH
        return b"".join(hashes_between(session, level, first, first + width))

    return merkle.tile_reader(tile, size)


def leaves_between(session: Session, begin: int, end: int) -> dict[int, tuple[bytes, int | None]]:
    """Return hash and erasure of the leaves from begin up to, not with, end."""
    found = session.execute(
        select(LogHash.place, LogHash.hash, LogHash.erasure)
        .where(LogHash.level == 0)
        .where(LogHash.place >= begin, LogHash.place < end)
    )
    return {place: (value, erasure) for place, value, erasure in found}


def hashes_between(session: Session, tile_level: int, begin: int, end: int) -> list[bytes]:
    """Return the stored hashes of one level (of tiles: 1 is above 256 leaves) from begin to end."""
    found = (
        select(LogHash.hash)
        .where(LogHash.level == tile_level * STORED_LEVELS)
        .where(LogHash.place >= begin, LogHash.place < end)
    )
    return list(session.scalars(found.order_by(LogHash.place)))


def latest_checkpoint(session: Session) -> tuple[int, int, str] | None:
    """Return size, time and text of the newest signed head."""
    found = session.execute(
        select(LogCheckpoint.size, LogCheckpoint.at_ms, LogCheckpoint.note)
        .order_by(LogCheckpoint.size.desc())
        .limit(1)
    ).first()
    return (found[0], found[1], found[2]) if found else None


def checkpoints(session: Session, after: int = -1, limit: int = 1000) -> list[tuple[int, int, str]]:
    """Return signed heads of more than ``after`` leaves, smallest first."""
    found = session.execute(
        select(LogCheckpoint.size, LogCheckpoint.at_ms, LogCheckpoint.note)
        .where(LogCheckpoint.size > after)
        .order_by(LogCheckpoint.size)
        .limit(limit)
    )
    return [(size, at_ms, note) for size, at_ms, note in found]


def checkpoint_sizes(session: Session, up_to: int | None = None) -> list[int]:
    """Return the sizes of the signed heads of at most ``up_to`` leaves, smallest first."""
    sizes = select(LogCheckpoint.size).order_by(LogCheckpoint.size)
    if up_to is not None:
        sizes = sizes.where(LogCheckpoint.size <= up_to)
    return list(session.scalars(sizes))


def keep_checkpoint(session: Session, size: int, at_ms: int, note: str) -> None:
    """Keep a signed head; the caller holds the log's lock."""
    session.execute(insert(LogCheckpoint), [{"size": size, "at_ms": at_ms, "note": note}])


def erase(
    session: Session,
    reason: str,
    at_ms: int,
    *,
    before_ms: int | None = None,
    personal: bool | None = None,
    limit: int | None = None,
) -> int:
    """Let the content of entries go and keep their hashes; return how many.

    before_ms: only entries older than this. personal: only entries about persons, or only others.
    """
    lock(session)
    table = Exchange.__table__.c
    query = select(table.number).order_by(table.number).limit(limit)
    if before_ms is not None:
        query = query.where(table.at_ms < before_ms)
    if personal is not None:
        about = or_(table.personal.is_not(None), table.subject_index.is_not(None))
        query = query.where(about if personal else ~about)
    numbers = list(session.scalars(query))
    if not numbers:
        return 0
    _, _, begins_after = tree_state(session)
    made = {"at_ms": at_ms, "reason": reason, "entries": len(numbers)}
    erasure = session.execute(insert(LogErasure).values(made).returning(LogErasure.id)).scalar_one()
    for at in range(0, len(numbers), _CHUNK):
        part = numbers[at : at + _CHUNK]
        session.execute(
            update(LogHash)
            .where(LogHash.level == 0, LogHash.erasure.is_(None))
            .where(LogHash.place.in_([number - 1 - begins_after for number in part]))
            .values(erasure=erasure)
            .execution_options(synchronize_session=False)
        )
        session.execute(delete(Exchange).where(table.number.in_(part)))
    return len(numbers)


def erasures(session: Session) -> list[dict[str, Any]]:
    """Return what was let go, newest first."""
    table = LogErasure.__table__
    found = session.execute(select(table).order_by(table.c.id.desc()).limit(100)).mappings()
    return [dict(row) for row in found]


def erased_count(session: Session) -> int:
    """Return how many entries' content was let go."""
    return session.scalar(select(func.coalesce(func.sum(LogErasure.entries), 0))) or 0
