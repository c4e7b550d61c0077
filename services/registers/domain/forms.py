"""The JSON and CSV forms of entries, records and blobs (specification v2, representation)."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.registers.domain import canonical, moments
from services.registers.domain.objecthash import multihash

timestamp = moments.write
ENTRY_COLUMNS = ("entry-number", "entry-timestamp", "key", "blob-hash")


def entry_json(number: int, seconds: int, key: str, blob_hash: bytes) -> str:
    """Write an entry as a JSON object."""
    # a key holds no character that JSON escapes (domain/keys.py)
    return (
        f'{{"entry-number":{number},"entry-timestamp":"{timestamp(seconds)}",'
        f'"key":"{key}","blob-hash":"{multihash(blob_hash)}"}}'
    )


def with_id(identifier: str, content: str) -> str:
    """Put ``_id`` in front of the members of stored canonical JSON, without reading it again.

    Empty values mean nothing and are left out; only loaded files have any.
    """
    if '""' in content or "[]" in content:
        content = canonical.item_json(without_empty(json.loads(content)))
    return (
        f'{{"_id":"{identifier}",{content[1:]}' if content != "{}" else f'{{"_id":"{identifier}"}}'
    )


def without_empty(item: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """Return an item without its empty values."""
    filled = {
        name: [each for each in value if each] if isinstance(value, list) else value
        for name, value in item.items()
    }
    return {name: value for name, value in filled.items() if value}


def appended_json(
    entry: str, content: str, size: int, root: bytes, audit_path: Iterable[bytes]
) -> str:
    """Write what an append is answered with: entry and item (JSON already), and the proof."""
    path = ",".join(f'"{multihash(value)}"' for value in audit_path)
    return (
        f'{{"entry":{entry},"item":{content},"total-entries":{size},'
        f'"root-hash":"{multihash(root)}","audit-path":[{path}]}}'
    )


def batch_json(entries: Iterable[str], size: int, root: bytes) -> str:
    """Write what a batch is answered with: its entries (JSON already), and the new tree head."""
    return (
        f'{{"entries":[{",".join(entries)}],"total-entries":{size},'
        f'"root-hash":"{multihash(root)}"}}'
    )


def json_list(objects: Iterable[str]) -> str:
    """Write a JSON array of objects that are JSON already."""
    return f"[{','.join(objects)}]"


def entries_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Write entries (number, seconds, key, blob hash) as CSV."""
    return table(
        ENTRY_COLUMNS,
        (
            (number, timestamp(seconds), key, multihash(blob_hash))
            for number, seconds, key, blob_hash in rows
        ),
    )


def items_csv(field_names: Sequence[str], rows: Iterable[tuple[str, str]]) -> str:
    """Write records or blobs (id, canonical JSON) as CSV, fields in the order of the schema."""
    return table(
        ("_id", *field_names),
        ((identifier, *cells(field_names, json.loads(content))) for identifier, content in rows),
    )


def cells(field_names: Sequence[str], item: Mapping[str, str | list[str]]) -> list[str]:
    """Return the cells of an item in the order of the schema; several values joined with ``;``."""
    values = (item.get(name, "") for name in field_names)
    return [";".join(value) if isinstance(value, list) else value for value in values]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write CSV with a header row and CR LF (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
