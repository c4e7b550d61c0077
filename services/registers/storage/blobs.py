"""Blobs and where to find them by either of their hashes."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, select
from sqlalchemy.orm import Session

from services.registers.storage import rows
from services.registers.storage.tables import Blob, BlobPlace, Head, Register, core

COLUMNS = ("register_id", "number", "hash", "item_hash", "content")
PLACE_COLUMNS = ("register_id", "kind", "prefix", "number")
ITEM, BLOB = 1, 2  # kinds of places: the hash of version 1, of version 2

_AT_PLACE = and_(Blob.register_id == BlobPlace.register_id, Blob.number == BlobPlace.number)
_HASHES = {ITEM: Blob.item_hash, BLOB: Blob.hash}
# written once: these are hot reads, and building a statement costs more than running it
_ONE = {
    kind: select(Blob.hash, Blob.content, Blob.item_hash, Blob.number)
    .select_from(Register)
    .join(Head, Head.register_id == Register.id)
    .join(
        BlobPlace,
        and_(
            BlobPlace.register_id == Register.id,
            BlobPlace.kind == kind,
            BlobPlace.prefix == bindparam("prefix"),
            BlobPlace.number <= Head.blobs,
        ),
    )
    .join(Blob, _AT_PLACE)
    .where(
        Register.name == bindparam("register"),
        Head.hidden.is_(False),
        column == bindparam("hash"),
    )
    .order_by(BlobPlace.number)
    .limit(1)
    for kind, column in _HASHES.items()
}


_PLACES, _BLOBS = core(BlobPlace.__table__), core(Blob.__table__)
# two steps instead of a join, which a planner may begin at its wrong end
_NUMBERS = select(_PLACES.c.number).where(
    _PLACES.c.register_id == bindparam("register"),
    _PLACES.c.kind == ITEM,
    _PLACES.c.prefix.in_(bindparam("prefixes", expanding=True)),
    _PLACES.c.number <= bindparam("below"),
)
_ITEM_HASHES = select(_BLOBS.c.item_hash, _BLOBS.c.number).where(
    _BLOBS.c.register_id == bindparam("register"),
    _BLOBS.c.number.in_(bindparam("numbers", expanding=True)),
)


def prefix(digest: bytes) -> int:
    """Return the first eight bytes of a hash as the number under which it is found."""
    return int.from_bytes(digest[:8], "big", signed=True)


def find(
    session: Session, register: str, kind: int, digest: bytes
) -> Row[bytes, str, bytes, int] | None:
    """Return a register's first blob with a hash: (hash, content, item_hash, number)."""
    values = {"register": register, "prefix": prefix(digest), "hash": digest}
    return session.execute(_ONE[kind], values).first()


def find_in(session: Session, register_id: int, kind: int, digest: bytes) -> Any:
    """Return what ``find`` does, of a register known by its id."""
    name = session.scalar(select(Register.name).where(Register.id == register_id))
    return None if name is None else find(session, name, kind, digest)


def first_of_their_hash(
    session: Session, register_id: int, kind: int, given: Sequence[Any]
) -> list[Any]:
    """Leave out the blobs whose hash of this kind an earlier blob has already."""
    if kind == ITEM:
        return list(given)
    numbers: dict[int, list[int]] = {}
    for part in rows.chunks(given):
        statement = select(_PLACES.c.prefix, _PLACES.c.number).where(
            _PLACES.c.register_id == register_id,
            _PLACES.c.kind == BLOB,
            _PLACES.c.prefix.in_([prefix(row.hash) for row in part]),
        )
        for at, number in session.connection().execute(statement):
            numbers.setdefault(at, []).append(number)

    def is_first(row: Any) -> bool:
        earlier = [number for number in numbers.get(prefix(row.hash), ()) if number < row.number]
        if not earlier:  # nearly always
            return True
        statement = select(_BLOBS.c.number).where(
            _BLOBS.c.register_id == register_id,
            _BLOBS.c.number.in_(earlier),
            _BLOBS.c.hash == row.hash,
        )
        return session.connection().execute(statement).first() is None

    return [row for row in given if is_first(row)]


def numbers_of(
    session: Session, register_id: int, item_hashes: Iterable[bytes], below: int
) -> dict[bytes, int]:
    """Return the number of each item that is among the register's first ``below`` blobs."""
    wanted = {prefix(item_hash): item_hash for item_hash in item_hashes}
    found: dict[bytes, int] = {}
    if not below:
        return found
    connection = session.connection()
    for prefixes in rows.chunks(list(wanted)):
        values = {"register": register_id, "prefixes": prefixes, "below": below}
        numbers = connection.scalars(_NUMBERS, values).all()
        if numbers:
            hashes = {"register": register_id, "numbers": numbers}
            found |= dict(connection.execute(_ITEM_HASHES, hashes).all())
    return found


def contents_of(session: Session, register_id: int, numbers: Sequence[int]) -> dict[int, str]:
    """Return the contents of blobs by their numbers."""
    found: dict[int, str] = {}
    for part in rows.chunks(list(numbers)):
        statement = select(Blob.number, Blob.content).where(
            Blob.register_id == register_id, Blob.number.in_(part)
        )
        found |= dict(session.execute(statement).all())
    return found


def add(session: Session, register_id: int, new: Sequence[tuple[int, bytes, bytes, str]]) -> None:
    """Write blobs (number, hash, item_hash, content) and where they are found."""
    rows.write(session, Blob.__table__, COLUMNS, [(register_id, *blob) for blob in new])
    places = sorted(
        (register_id, kind, prefix(digest), number)
        for number, blob_hash, item_hash, _ in new
        for kind, digest in ((ITEM, item_hash), (BLOB, blob_hash))
    )
    rows.write(session, BlobPlace.__table__, PLACE_COLUMNS, places)
