"""Appending to a register's log: entries, blobs, records and both trees in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, or_, select, update
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.merkle import TILE_WIDTH
from services.registers.domain.items import Item
from services.registers.storage import blobs, rows, trees
from services.registers.storage.heads import peaks_of
from services.registers.storage.tables import Entry, Head, Record, Register, core
from services.registers.storage.trees import Damaged, Growth, Line, Tree

ENTRY_COLUMNS = ("register_id", "number", "timestamp", "key", "blob")
RECORD_COLUMNS = ("register_id", "key", "first", "number", "blob")

# written once: building a statement costs more than running it
_RECORD, _HEAD = core(Record.__table__), core(Head.__table__)
_KNOWN = select(_RECORD.c.key).where(
    _RECORD.c.register_id == bindparam("register"),
    _RECORD.c.key.in_(bindparam("keys", expanding=True)),
)
_MOVE_HEAD = (
    update(_HEAD)
    .where(_HEAD.c.register_id == bindparam("register"))
    .values(
        {
            name: bindparam(name)
            for name in ("size", "records", "blobs", "updated", "peaks", "peaks_v1")
        }
    )
)


@dataclass(frozen=True)
class Appended:
    """The last entry appended, and the proof that it is in the version 2 tree with this head."""

    number: int
    timestamp: int
    root: bytes
    audit_path: Sequence[bytes]


def append_entries(session: Session, head: RowMapping, items: Sequence[Item], at: int) -> Appended:
    """Append items to the log of a register that ``lock_register`` returned.

    at: seconds since 1970; an entry is never dated before the one it follows. Raises Damaged when
    the stored log contradicts its head.
    """
    register_id, size = head["id"], head["size"]
    at = max(at, head["updated"])
    numbers, highest = _blob_numbers(session, head, items)
    old_keys = _known_keys(session, head, items)
    records: dict[str, dict[str, Any]] = {}
    lines = []
    for number, item in enumerate(items, start=size + 1):
        blob = numbers[item.item_hash]
        record = records.setdefault(item.key, {"key": item.key, "first": number})
        record |= {"number": number, "blob": blob}
        lines.append(Line(number, at, item.key, item.blob_hash, item.item_hash))
    entries = [(register_id, line.number, at, line.key, numbers[line.item_hash]) for line in lines]
    rows.write(session, Entry.__table__, ENTRY_COLUMNS, entries)
    _keep_records(session, register_id, records, old_keys)
    grown = {tree: _grow(session, head, tree, lines) for tree in trees.TREES}
    if size % TILE_WIDTH + len(items) >= TILE_WIDTH:
        rows.forget_edge(session, register_id, size + len(items))
    before, peaks = grown["v2"]
    session.connection().execute(
        _MOVE_HEAD,
        {
            "register": register_id,
            "size": size + len(items),
            "records": head["records"] + len(records.keys() - old_keys),
            "blobs": highest,
            "updated": at,
            "peaks": b"".join(peaks),
            "peaks_v1": b"".join(grown["v1"][1]),
        },
    )
    # the last leaf's siblings are all on its left: the peaks as they were before it
    return Appended(size + len(items), at, merkle.fold(peaks), before[::-1])


def missing_references(session: Session, item: Item, own: str = "") -> list[dict[str, str]]:
    """Return a fault for each curie of an item that names a record which does not exist.

    own: the item's register, which may be a draft; nobody else refers to drafts.
    """
    faults = []
    for pointer, register, key in item.references:
        found = session.execute(
            select(Record.number)
            .join(Register, Register.id == Record.register_id)
            .join(Head, Head.register_id == Record.register_id)
            .where(
                Register.name == register,
                Record.key == key,
                Record.first <= Head.size,
                or_(Head.hidden.is_(False), Register.name == own),
            )
        ).first()
        if found is None:
            faults.append(
                {
                    "detail": f"The register {register} has no record {key}.",
                    "pointer": pointer,
                }
            )
    return faults


def _grow(
    session: Session, head: RowMapping, tree: Tree, lines: Sequence[Line]
) -> tuple[list[bytes], list[bytes]]:
    """Return the peaks before the last leaf and after it; write the tiles that became full."""
    hashes = [trees.leaf(tree, line) for line in lines]
    size, peaks = head["size"], peaks_of(head, tree)
    if (size + len(hashes)) // TILE_WIDTH > size // TILE_WIDTH:
        growth = Growth.of(session, head["id"], tree, size)
        if growth.peaks() != peaks:
            raise Damaged("The stored hashes do not lead to the register's tree head.")
        growth.extend(hashes)
        rows.write_tiles(session, growth.take_changed(head["id"], tree))
    full = (size + len(hashes)) // TILE_WIDTH * TILE_WIDTH
    edge = [(number, value) for number, value in enumerate(hashes, size + 1) if number > full]
    rows.write_edge(session, head["id"], trees.NUMBERS[tree], edge)
    before = peaks
    for index, value in enumerate(hashes, start=size):
        before, peaks = peaks, merkle.push(peaks, index, value)
    return before, peaks


def _blob_numbers(
    session: Session, head: RowMapping, items: Sequence[Item]
) -> tuple[dict[bytes, int], int]:
    """Return the number of each item's blob and the highest; add those that are not there yet."""
    by_hash = {item.item_hash: item for item in items}
    numbers = blobs.numbers_of(session, head["id"], by_hash, head["blobs"])
    new = [(item_hash, item) for item_hash, item in by_hash.items() if item_hash not in numbers]
    added = [
        (number, item.blob_hash, item_hash, item.content)
        for number, (item_hash, item) in enumerate(new, start=head["blobs"] + 1)
    ]
    blobs.add(session, head["id"], added)
    numbers |= {item_hash: number for number, _, item_hash, _ in added}
    return numbers, head["blobs"] + len(added)


def _known_keys(session: Session, head: RowMapping, items: Sequence[Item]) -> set[str]:
    if not head["records"]:
        return set()
    found: set[str] = set()
    connection = session.connection()
    for keys in rows.chunks(list({item.key for item in items})):
        found |= set(connection.scalars(_KNOWN, {"register": head["id"], "keys": keys}))
    return found


def _keep_records(
    session: Session, register_id: int, records: dict[str, dict[str, Any]], old_keys: set[str]
) -> None:
    table = core(Record.__table__)
    new = [
        (register_id, key, row["first"], row["number"], row["blob"])
        for key, row in records.items()
        if key not in old_keys
    ]
    rows.write(session, table, RECORD_COLUMNS, new)
    rows.move_records(
        session,
        register_id,
        [(key, row["number"], row["blob"]) for key, row in records.items() if key in old_keys],
    )
