"""Appending to a register's log: entries, blobs, records and tree in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.orm import Session

from servicekit import merkle
from services.registers.domain import forms, objecthash
from services.registers.domain.items import Item
from services.registers.storage.heads import peaks_of
from services.registers.storage.tables import Blob, Entry, Head, Record, Register, core

_CHUNK = 500  # values in one IN (…): both engines take it


@dataclass(frozen=True)
class Appended:
    """The last entry appended, and the proof that it is in the tree with this head."""

    number: int
    timestamp: int
    root: bytes
    audit_path: Sequence[bytes]


def append_entries(session: Session, head: RowMapping, items: Sequence[Item], at: int) -> Appended:
    """Append items to the log of a register that ``lock_register`` returned.

    at: seconds since 1970; an entry is never dated before the one it follows.
    """
    register_id, size = head["id"], head["size"]
    at = max(at, head["updated"])
    timestamp = forms.timestamp(at)
    blobs = _blob_numbers(session, head, items)
    old_keys = _known_keys(session, head, items)
    records: dict[str, dict[str, Any]] = {}
    entries = []
    peaks = before = peaks_of(head)
    for number, item in enumerate(items, start=size + 1):
        blob = blobs[item.blob_hash]
        digest = objecthash.entry_hash(number, item.key, timestamp, item.blob_hash)
        before, peaks = peaks, merkle.push(peaks, number - 1, merkle.leaf_hash(digest))
        records[item.key] = {"key": item.key, "number": number, "blob": blob}
        entries.append(
            {
                "register_id": register_id,
                "number": number,
                "timestamp": at,
                "key": item.key,
                "blob": blob,
                "hash": digest,
            }
        )
    session.execute(insert(core(Entry.__table__)), entries)
    _keep_records(session, register_id, records, old_keys)
    session.execute(
        update(Head)
        .where(Head.register_id == register_id)
        .values(
            size=size + len(items),
            records=head["records"] + len(records.keys() - old_keys),
            blobs=max(head["blobs"], *blobs.values()),
            updated=at,
            peaks=b"".join(peaks),
        )
    )
    # the last leaf's siblings are all on its left: the peaks as they were before it
    return Appended(size + len(items), at, merkle.fold(peaks), before[::-1])


def missing_references(session: Session, item: Item) -> list[dict[str, str]]:
    """Return a fault for each curie of an item that names a record which does not exist."""
    faults = []
    for pointer, register, key in item.references:
        found = session.execute(
            select(Record.number)
            .join(Register, Register.id == Record.register_id)
            .where(Register.name == register, Record.key == key)
        ).first()
        if found is None:
            faults.append(
                {
                    "detail": f"The register {register} has no record {key}.",
                    "pointer": pointer,
                }
            )
    return faults


def _blob_numbers(session: Session, head: RowMapping, items: Sequence[Item]) -> dict[bytes, int]:
    """Return the number of each item's blob; add those that the register does not have yet."""
    contents = {item.blob_hash: item.content for item in items}
    numbers: dict[bytes, int] = {}
    if head["blobs"]:
        for hashes in _chunks(list(contents)):
            numbers |= {
                row.hash: row.number
                for row in session.execute(
                    select(Blob.hash, Blob.number).where(
                        Blob.register_id == head["id"], Blob.hash.in_(hashes)
                    )
                )
            }
    new = [blob_hash for blob_hash in contents if blob_hash not in numbers]
    rows = [
        {
            "register_id": head["id"],
            "number": number,
            "hash": blob_hash,
            "content": contents[blob_hash],
        }
        for number, blob_hash in enumerate(new, start=head["blobs"] + 1)
    ]
    if rows:
        session.execute(insert(core(Blob.__table__)), rows)
    return numbers | {row["hash"]: row["number"] for row in rows}


def _known_keys(session: Session, head: RowMapping, items: Sequence[Item]) -> set[str]:
    if not head["records"]:
        return set()
    found: set[str] = set()
    for keys in _chunks(list({item.key for item in items})):
        found |= set(
            session.scalars(
                select(Record.key).where(Record.register_id == head["id"], Record.key.in_(keys))
            )
        )
    return found


def _keep_records(
    session: Session, register_id: int, records: Mapping[str, dict[str, Any]], old_keys: set[str]
) -> None:
    table = core(Record.__table__)
    new = [
        {"register_id": register_id, **row} for key, row in records.items() if key not in old_keys
    ]
    changed = [
        {"at_key": row["key"], "number": row["number"], "blob": row["blob"]}
        for key, row in records.items()
        if key in old_keys
    ]
    if new:
        session.execute(insert(table), new)
    if changed:
        session.connection().execute(
            update(table).where(
                table.c.register_id == register_id, table.c.key == bindparam("at_key")
            ),
            changed,
        )


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
