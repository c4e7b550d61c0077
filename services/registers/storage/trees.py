"""The two trees over a register's user log: their leaves, their tiles, and proofs at any size.

Full tiles are kept as C2SP tlog-tiles lays them out. The last leaves, fewer than 256, have a row
each until their tile is full; the last tile of each level above grows in its row.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.merkle import TILE_WIDTH
from services.registers.domain import forms, leaves, objecthash
from services.registers.storage.tables import Blob, Edge, Entry, Tile

Tree = Literal["v1", "v2"]
TREES: tuple[Tree, ...] = ("v1", "v2")
NUMBERS: Mapping[Tree, int] = {"v1": 1, "v2": 2}
HASH_BYTES = 32
TILE_BYTES = TILE_WIDTH * HASH_BYTES


class Damaged(Exception):
    """What is stored contradicts itself: the log was changed behind the service's back."""


class Line(NamedTuple):
    """What both leaves of one entry are hashed from."""

    number: int
    timestamp: int
    key: str
    hash: bytes
    item_hash: bytes


_LINES = (
    select(Entry.number, Entry.timestamp, Entry.key, Blob.hash, Blob.item_hash)
    .join(Blob, (Blob.register_id == Entry.register_id) & (Blob.number == Entry.blob))
    .where(
        Entry.register_id == bindparam("register"),
        Entry.number >= bindparam("first"),
        Entry.number <= bindparam("last"),
    )
    .order_by(Entry.number)
)
_TILE = select(Tile.data).where(
    Tile.register_id == bindparam("register"),
    Tile.tree == bindparam("tree"),
    Tile.level == bindparam("level"),
    Tile.number == bindparam("number"),
)
_EDGE = (
    select(Edge.hash)
    .where(
        Edge.register_id == bindparam("register"),
        Edge.tree == bindparam("tree"),
        Edge.number >= bindparam("first"),
        Edge.number <= bindparam("last"),
    )
    .order_by(Edge.number)
)


def lines(session: Session, register_id: int, first: int, last: int) -> Sequence[Line]:
    """Return the entries first to last, raising Damaged when one is missing."""
    rows = session.execute(_LINES, {"register": register_id, "first": first, "last": last})
    found = [Line(*row) for row in rows]
    if [line.number for line in found] != list(range(first, last + 1)):
        missing = next(
            number
            for number, line in zip(range(first, last + 1), [*found, None], strict=False)
            if line is None or line.number != number
        )
        raise Damaged(f"Entry {missing} or its item is missing.")
    return found


def leaf_input(tree: Tree, line: Line) -> bytes:
    """Return what the leaf of an entry is hashed from."""
    if tree == "v1":
        return leaves.v1(line.number, line.key, line.timestamp, line.item_hash)
    return objecthash.entry_hash(line.number, line.key, forms.timestamp(line.timestamp), line.hash)


def leaf(tree: Tree, line: Line) -> bytes:
    """Return the leaf hash of an entry."""
    return merkle.leaf_hash(leaf_input(tree, line))


def leaf_hashes(
    session: Session, register_id: int, tree: Tree, first: int, last: int
) -> list[bytes]:
    """Return the leaf hashes of the entries first to last, made from what is stored of them."""
    return [leaf(tree, line) for line in lines(session, register_id, first, last)]


def read_tile(
    session: Session, register_id: int, tree: Tree, level: int, number: int, width: int
) -> bytes:
    """Return the first ``width`` hashes of a tile; raises Damaged when they are not there.

    The tree must have that many.
    """
    values = {"register": register_id, "tree": NUMBERS[tree], "level": level, "number": number}
    length = width * HASH_BYTES
    for _ in range(2):  # an append may freeze the tile between the two look-ups
        data: bytes | None = session.scalar(_TILE, values)
        if data is not None and len(data) >= length:
            return data[:length]
        if level == 0:
            data = b"".join(_edge(session, register_id, tree, number, width))
            if len(data) == length:
                return data
    raise Damaged(f"Tile {number} of level {level} of the {tree} tree is missing.")


def _edge(
    session: Session, register_id: int, tree: Tree, number: int, width: int
) -> Sequence[bytes]:
    first = number * TILE_WIDTH + 1
    values = {"register": register_id, "tree": NUMBERS[tree], "first": first}
    return session.scalars(_EDGE, values | {"last": first + width - 1}).all()


def hash_reader(session: Session, register_id: int, tree: Tree, size: int) -> merkle.HashReader:
    """Return a reader of the tree's hashes as they are at a size."""

    def read(level: int, number: int, width: int) -> bytes:
        return read_tile(session, register_id, tree, level, number, width)

    return merkle.tile_reader(read, size)


def root(session: Session, register_id: int, tree: Tree, size: int) -> bytes:
    """Return the tree head at any size up to the register's."""
    return merkle.root_at(size, hash_reader(session, register_id, tree, size))


def inclusion(
    session: Session, register_id: int, tree: Tree, number: int, size: int
) -> list[bytes]:
    """Return the audit path of an entry in the tree of the first ``size`` entries."""
    reader = hash_reader(session, register_id, tree, size)
    return merkle.inclusion_path(number - 1, size, reader)


def consistency(session: Session, register_id: int, tree: Tree, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of ``new`` entries only appended to that of ``old``."""
    return merkle.consistency_path(old, new, hash_reader(session, register_id, tree, new))


class Growth:
    """The end of one tree while entries are appended: its open tiles, and those that changed.

    ``open[level]`` holds the hashes of the last tile of a level, fewer than 256 of them.
    """

    def __init__(self, size: int, open_tiles: Iterable[bytes]) -> None:
        self.size = size
        self.changed: dict[tuple[int, int], bytes] = {}
        self._open = [bytes(tile) for tile in open_tiles]

    @classmethod
    def of(cls, session: Session, register_id: int, tree: Tree, size: int) -> "Growth":
        """Continue the tree that a register has at a size."""
        tiles, level = [], 0
        while (count := size >> merkle.TILE_HEIGHT * level) or not level:
            number, width = divmod(count, TILE_WIDTH)
            data = read_tile(session, register_id, tree, level, number, width) if width else b""
            tiles.append(data)
            level += 1
        return cls(size, tiles)

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        data = self._open[0] + b"".join(hashes)
        number = self.size // TILE_WIDTH
        while len(data) >= TILE_BYTES:
            tile, data = data[:TILE_BYTES], data[TILE_BYTES:]
            self.changed[0, number] = tile
            number += 1
            self._complete(1, number - 1, subtree(tile))
        self._open[0] = data
        self.size += len(hashes)

    def _complete(self, level: int, index: int, value: bytes) -> None:
        """Put the head of a full tile into the level above."""
        if level == len(self._open):
            self._open.append(b"")
        tile = self._open[level] + value
        number = index // TILE_WIDTH
        self.changed[level, number] = tile
        if len(tile) == TILE_BYTES:
            self._open[level] = b""
            self._complete(level + 1, number, subtree(tile))
        else:
            self._open[level] = tile

    def peaks(self) -> list[bytes]:
        """Return the heads of the perfect subtrees, largest first."""
        found = []
        for tile in reversed(self._open):
            for level, index in merkle.places(0, len(tile) // HASH_BYTES):
                begin = index * HASH_BYTES << level
                found.append(subtree(tile[begin : begin + (HASH_BYTES << level)]))
        return found

    def open_leaves(self) -> list[tuple[int, bytes]]:
        """Return number and hash of the leaves whose tile is not full."""
        first, data = self.size // TILE_WIDTH * TILE_WIDTH + 1, self._open[0]
        hashes = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
        return list(enumerate(hashes, start=first))

    def take_changed(self, register_id: int, tree: Tree) -> list[dict[str, Any]]:
        """Return the rows of the tiles that changed since this was asked last."""
        rows = [
            {
                "register_id": register_id,
                "tree": NUMBERS[tree],
                "level": level,
                "number": number,
                "data": data,
            }
            for (level, number), data in self.changed.items()
        ]
        self.changed.clear()
        return rows


def subtree(hashes: bytes) -> bytes:
    """Return the head over the hashes of a perfect subtree, 32 bytes each."""
    sha256 = hashlib.sha256
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in pairs])
    return hashes
