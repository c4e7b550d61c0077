"""The log as a file: JSON Lines or CSV, read in pages and sent as it is read."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from gateway import storage
from gateway.storage import Wanted
from servicekit.database import Database
from servicekit.problems import Malformed

PAGE = 500
Format = Literal["jsonl", "csv"]
TYPES: Mapping[Format, str] = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
COLUMNS = (
    "number", "exchange", "at", "trace", "caller", "role", "service", "method", "route",
    "parameters", "personal", "purpose", "basis", "consent", "categories", "subject", "status",
    "outcome", "reason", "sentence", "duration_us", "size_bytes", "hidden_until", "caption_en",
    "caption_dv",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Show = Callable[[Mapping[str, Any]], dict[str, Any]]


def format_of(text: str) -> Format:
    """Read a format's name; raise Malformed for another."""
    for known in TYPES:
        if text == known:
            return known
    raise Malformed(f"format must be one of: {', '.join(TYPES)}.")


def lines(database: Database, wanted: Wanted, show: Show, written: Format) -> Iterator[str]:
    """Yield the entries wanted, oldest first, up to those that are there when it begins."""
    with database.snapshot() as session:
        last = storage.last_number(session)
    if written == "csv":
        yield _csv(COLUMNS)
    after = 0
    while True:
        with database.snapshot() as session:
            rows = storage.list_exchanges(session, wanted, limit=PAGE, after=after, before=last + 1)
        if not rows:
            return
        after = rows[-1]["number"]
        entries = (show(row) for row in rows)
        if written == "csv":
            yield "".join(_csv(_cells(entry)) for entry in entries)
        else:
            yield "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def _cells(entry: Mapping[str, Any]) -> list[str]:
    caller, purpose, caption = entry["caller"], entry["purpose"], entry["caption"]
    parameters = entry["parameters"]
    flat = {
        **entry,
        "caller": caller["client_id"] if caller else None,
        "purpose": purpose["code"] if purpose else None,
        "categories": " ".join(entry["categories"]),
        "parameters": json.dumps(parameters, ensure_ascii=False) if parameters else None,
        "caption_en": caption["en"],
        "caption_dv": caption["dv"],
    }
    return [_cell(flat.get(column)) for column in COLUMNS]


def _cell(value: Any) -> str:
    """Write a value so that no spreadsheet takes it for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # RFC 4180: lines end in CR LF
    return line.getvalue()
