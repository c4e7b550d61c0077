"""The JSON and CSV forms of version 1: numbers are strings, items stand inside their records."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.registers.domain import forms, leaves, moments
from services.registers.domain.canonical import write_hash

ENTRY_COLUMNS = ("index-entry-number", "entry-number", "entry-timestamp", "key", "item-hash")
PROOF_IDENTIFIER = "merkle:sha-256"


class Entry(NamedTuple):
    """An entry; at: seconds since 1970."""

    number: int
    at: int
    key: str
    item_hash: bytes


class Record(NamedTuple):
    """The latest entry of a key with the content of its item."""

    number: int
    at: int
    key: str
    content: str


def entry_json(entry: Entry) -> str:
    """Write an entry as a JSON object, the very text of its leaf in the tree."""
    return leaves.v1(entry.number, entry.key, entry.at, entry.item_hash).decode()


def entries_json(entries: Iterable[Entry]) -> str:
    """Write entries as a JSON array."""
    return forms.json_list(map(entry_json, entries))


def entries_csv(entries: Iterable[Entry]) -> str:
    """Write entries as CSV."""
    return forms.table(
        ENTRY_COLUMNS,
        (
            (each.number, each.number, moments.write(each.at), each.key, write_hash(each.item_hash))
            for each in entries
        ),
    )


def records_json(records: Iterable[Record]) -> str:
    """Write records as a JSON object with a member for each key."""
    return f"{{{','.join(map(_member, records))}}}"


def records_csv(field_names: Sequence[str], records: Iterable[Record]) -> str:
    """Write records as CSV: the entry without its hash, then the fields of the item."""
    return forms.table(
        (*ENTRY_COLUMNS[:4], *field_names),
        (
            (
                each.number,
                each.number,
                moments.write(each.at),
                each.key,
                *forms.cells(field_names, json.loads(each.content)),
            )
            for each in records
        ),
    )


def items_json(items: Iterable[tuple[bytes, str]]) -> str:
    """Write items (hash, content) as a JSON object with a member for each hash."""
    members = (f'"{write_hash(digest)}":{content}' for digest, content in items)
    return f"{{{','.join(members)}}}"


def items_csv(field_names: Sequence[str], contents: Iterable[str]) -> str:
    """Write items as CSV, fields in the order of the schema."""
    return forms.table(
        field_names, (forms.cells(field_names, json.loads(content)) for content in contents)
    )


def _member(record: Record) -> str:
    # a key holds no character that JSON escapes (domain/keys.py)
    return (
        f'"{record.key}":{{"index-entry-number":"{record.number}",'
        f'"entry-number":"{record.number}","entry-timestamp":"{moments.write(record.at)}",'
        f'"key":"{record.key}","item":[{record.content}]}}'
    )
