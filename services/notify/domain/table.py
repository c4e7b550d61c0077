"""Rows of a bulk: a header that names values, and a line for each recipient."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from services.notify.domain.template import key

RECIPIENT = {"sms": "phone number", "email": "email address"}
MAX_ROWS = 50_000
MAX_COLUMNS = 100
MAX_VALUE = 100_000


class UnusableTable(ValueError):
    """The rows cannot be read; the message says why."""


def from_csv(text: str) -> list[list[str]]:
    """Read CSV (RFC 4180), with or without a byte order mark; empty lines are left out."""
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as fault:
        raise UnusableTable(f"csv cannot be read: {fault}") from None
    return [row for row in rows if any(cell.strip() for cell in row)]


def bodies(rows: Sequence[Sequence[Any]], channel: str) -> list[tuple[str, dict[str, Any]]]:
    """Return recipient and values of each line below the header. Raises UnusableTable."""
    if len(rows) < 2:
        raise UnusableTable("rows must have a header and at least one row below it")
    if len(rows) - 1 > MAX_ROWS:
        raise UnusableTable(f"rows must not be more than {MAX_ROWS}")
    header = [str(name).strip() for name in rows[0]]
    if len(header) > MAX_COLUMNS:
        raise UnusableTable(f"rows must not have more than {MAX_COLUMNS} columns")
    keys = [key(name) for name in header]
    if twice := sorted({name for name in header if keys.count(key(name)) > 1}):
        raise UnusableTable(f"columns named twice: {', '.join(twice)}")
    wanted = key(RECIPIENT[channel])
    if wanted not in keys:
        raise UnusableTable(f"a column named {RECIPIENT[channel]} is missing")
    at = keys.index(wanted)
    found = []
    for row in rows[1:]:
        cells = [*row, *[None] * (len(header) - len(row))]
        recipient = "" if cells[at] is None else str(cells[at])
        # values beside the recipient's own column can use it too
        found.append((recipient, dict(zip(header, cells, strict=False))))
    return found


def too_long(rows: Sequence[Sequence[Any]]) -> list[int]:
    """Return the numbers of lines with more cells than the header has (the first is 1)."""
    return [number for number, row in enumerate(rows[1:], 1) if len(row) > len(rows[0])]
