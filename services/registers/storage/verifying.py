"""Rebuilding what a register claims from its entries, part by part, and naming what differs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.merkle import TILE_WIDTH
from services.registers.domain import canonical, objecthash
from services.registers.storage import blobs, checkpoints, heads, log, trees
from services.registers.storage.rows import chunks
from services.registers.storage.tables import Blob, BlobPlace, Entry, Record, Tile
from services.registers.storage.trees import HASH_BYTES, NUMBERS, TREES, Damaged, Line, Tree

SPAN = TILE_WIDTH * 20  # entries looked at in one part


@dataclass(frozen=True)
class Difference:
    """What is stored and cannot be true: which entry, if one can be named, and what of it."""

    entry: int | None
    detail: str


@dataclass(frozen=True)
class Verified:
    """How far one part went; the next goes on after it. Done: nothing is left to look at."""

    upto: int
    size: int
    done: bool
    difference: Difference | None = None


def verify(session: Session, head: RowMapping, after: int) -> Verified:
    """Look at the next entries after a number, and after the last one at the whole."""
    size = head["size"]
    if after >= size:
        difference = next(_differences_of_the_whole(session, head), None)
        return Verified(size, size, True, difference)
    last = min(size, (after // TILE_WIDTH) * TILE_WIDTH + SPAN)
    first = (after // TILE_WIDTH) * TILE_WIDTH + 1
    difference = next(_differences(session, head, first, last), None)
    return Verified(last, size, difference is not None, difference)


def _differences(session: Session, head: RowMapping, first: int, last: int) -> Iterator[Difference]:
    found = _entries(session, head["id"], first, last)
    key_field = head["name"]
    lines: list[Line] = []
    places = _places(session, head["id"], [row.blob for row in found])
    for number, row in zip(range(first, last + 1), [*found, None], strict=False):
        if row is None or row.number != number:
            yield Difference(number, "The entry is missing.")
            return
        if row.content is None:
            yield Difference(number, "Its item is missing.")
            return
        if fault := _item_fault(row, key_field, places):
            yield Difference(number, fault)
            return
        lines.append(Line(number, row.timestamp, row.key, row.hash, row.item_hash))
    for tree in TREES:
        yield from _tree_differences(session, head["id"], tree, lines)
    yield from _record_differences(session, head, found)


def _entries(session: Session, register_id: int, first: int, last: int) -> Sequence[Any]:
    return session.execute(
        select(
            Entry.number,
            Entry.timestamp,
            Entry.key,
            Entry.blob,
            Blob.hash,
            Blob.item_hash,
            Blob.content,
        )
        .outerjoin(Blob, (Blob.register_id == Entry.register_id) & (Blob.number == Entry.blob))
        .where(Entry.register_id == register_id, Entry.number >= first, Entry.number <= last)
        .order_by(Entry.number)
    ).all()


def _item_fault(row: Any, key_field: str, places: set[tuple[int, int, int]]) -> str | None:
    if canonical.item_hash(row.content) != row.item_hash:
        return "Its item is not what was hashed: the content was changed."
    values = json.loads(row.content)
    if objecthash.blob_hash(values) != row.hash:
        return "Its item has another hash of version 2 than is stored."
    if key_field in values and values[key_field] != row.key:
        return f"Its key is {row.key}, but its item is about {values[key_field]}."
    for kind, digest in ((blobs.ITEM, row.item_hash), (blobs.BLOB, row.hash)):
        if (kind, blobs.prefix(digest), row.blob) not in places:
            return f"Its item cannot be found by its hash of version {kind}."
    return None


def _places(
    session: Session, register_id: int, numbers: Sequence[int]
) -> set[tuple[int, int, int]]:
    """Return kind, prefix and number under which the blobs' hashes should be found, if stored."""
    wanted = set(numbers)
    hashes: list[tuple[int, int, int]] = []
    for row in _hashes(session, register_id, sorted(wanted)):
        hashes.append((blobs.ITEM, blobs.prefix(row.item_hash), row.number))
        hashes.append((blobs.BLOB, blobs.prefix(row.hash), row.number))
    found: set[tuple[int, int, int]] = set()
    for kind in (blobs.ITEM, blobs.BLOB):
        of_kind = [one for one in hashes if one[0] == kind]
        for part in chunks(of_kind):
            statement = select(BlobPlace.kind, BlobPlace.prefix, BlobPlace.number).where(
                BlobPlace.register_id == register_id,
                BlobPlace.kind == kind,
                BlobPlace.prefix.in_([prefix for _, prefix, _ in part]),
            )
            found |= {(row.kind, row.prefix, row.number) for row in session.execute(statement)}
    return found


def _hashes(session: Session, register_id: int, numbers: Sequence[int]) -> Iterator[Any]:
    for part in chunks(numbers):
        yield from session.execute(
            select(Blob.number, Blob.hash, Blob.item_hash).where(
                Blob.register_id == register_id, Blob.number.in_(part)
            )
        )


def _tree_differences(
    session: Session, register_id: int, tree: Tree, lines: Sequence[Line]
) -> Iterator[Difference]:
    """Compare the leaves made from the entries with those that proofs are made from."""
    for start in range(0, len(lines), TILE_WIDTH):
        part = lines[start : start + TILE_WIDTH]
        tile = (part[0].number - 1) // TILE_WIDTH
        try:
            stored = trees.read_tile(session, register_id, tree, 0, tile, len(part))
        except Damaged as damaged:
            yield Difference(part[0].number, str(damaged))
            return
        made = b"".join([trees.leaf(tree, line) for line in part])
        if made == stored:
            continue
        for index, line in enumerate(part):
            place = slice(index * HASH_BYTES, (index + 1) * HASH_BYTES)
            if made[place] != stored[place]:
                detail = f"It does not lead to its leaf in the {tree} tree: it was changed."
                yield Difference(line.number, detail)
                return


def _record_differences(
    session: Session, head: RowMapping, found: Sequence[Any]
) -> Iterator[Difference]:
    """Look whether the records of these entries lead to the newest entry of their key."""
    latest = {row.key: row for row in found}
    known: dict[str, Any] = {}
    for keys in chunks(list(latest)):
        statement = select(Record.key, Record.first, Record.number, Record.blob).where(
            Record.register_id == head["id"], Record.key.in_(keys)
        )
        known |= {row.key: row for row in session.execute(statement)}
    for key, row in latest.items():
        record = known.get(key)
        if record is None or record.first > row.number or record.number < row.number:
            yield Difference(row.number, f"The record {key} does not know it.")
        elif record.number == row.number and record.blob != row.blob:
            yield Difference(row.number, f"The record {key} shows another item.")
        elif record.number > head["size"]:
            continue  # a load that is not published
        elif record.number > row.number and not _is_of(session, head["id"], record.number, key):
            yield Difference(row.number, f"The record {key} leads to an entry of another key.")


def _is_of(session: Session, register_id: int, number: int, key: str) -> bool:
    found = session.scalar(
        select(Entry.key).where(Entry.register_id == register_id, Entry.number == number)
    )
    return found == key


def _differences_of_the_whole(session: Session, head: RowMapping) -> Iterator[Difference]:
    """Compare the upper tiles, the tree heads, the counts and what was signed."""
    register_id, size = head["id"], head["size"]
    for tree in TREES:
        yield from _upper_tiles(session, register_id, tree, size)
        root = merkle.fold(heads.peaks_of(head, tree))
        try:
            if trees.root(session, register_id, tree, size) != root:
                yield Difference(None, f"The {tree} tree does not lead to the register's head.")
            for kept in _kept_checkpoints(session, register_id, tree):
                if kept.size > size:
                    detail = f"{kept.size} entries were signed, and there are only {size}."
                    yield Difference(None, detail)
                elif trees.root(session, register_id, tree, kept.size) != kept.root:
                    detail = f"The {tree} tree of {kept.size} entries is not the one signed."
                    yield Difference(None, detail)
        except (Damaged, ValueError) as damaged:
            yield Difference(None, str(damaged))
    if log.records_count_at(session, register_id, size) != head["records"]:
        yield Difference(None, "The number of records is not the one that the head tells.")
    stored = session.scalar(
        select(func.count())
        .select_from(Blob)
        .where(Blob.register_id == register_id, Blob.number <= head["blobs"])
    )
    if stored != head["blobs"]:
        yield Difference(None, "The number of items is not the one that the head tells.")
    beyond = session.scalar(select(func.max(Entry.number)).where(Entry.register_id == register_id))
    if (beyond or 0) > size and head["loading"] is None:
        yield Difference(beyond, "The entry lies beyond the register's size.")


def _kept_checkpoints(session: Session, register_id: int, tree: Tree) -> Iterator[Any]:
    last = -1
    while part := checkpoints.after(session, register_id, tree, last, 1000):
        yield from part
        last = part[-1].size


def _upper_tiles(session: Session, register_id: int, tree: Tree, size: int) -> Iterator[Difference]:
    """Make every tile above level 0 again from the tiles below it."""
    level = 1
    while count := size >> merkle.TILE_HEIGHT * level:
        for number in range(-(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - number * TILE_WIDTH)
            first = number * TILE_WIDTH
            below = session.execute(
                select(Tile.number, Tile.data)
                .where(
                    Tile.register_id == register_id,
                    Tile.tree == NUMBERS[tree],
                    Tile.level == level - 1,
                    Tile.number >= first,
                    Tile.number < first + width,
                )
                .order_by(Tile.number)
            )
            made = b"".join(trees.subtree(row.data) for row in below)
            try:
                stored = trees.read_tile(session, register_id, tree, level, number, width)
            except Damaged as damaged:
                yield Difference(None, str(damaged))
                return
            if made != stored:
                yield Difference(
                    first * TILE_WIDTH**level + 1,
                    f"From it on, tile {number} of level {level} of the {tree} tree is not what "
                    "the tiles below it lead to.",
                )
                return
        level += 1
