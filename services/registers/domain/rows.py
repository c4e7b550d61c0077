"""Rows of a CSV file as items of a register: columns mapped to fields, every fault named."""

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from services.registers.domain.items import Faulty, Field, Item, read_item

MAX_CELL = 1024 * 1024
MAX_LINE = 8 * 1024 * 1024
MAX_COLUMNS = 1000


class Unreadable(Exception):
    """The file as a whole cannot be loaded: its header or its encoding is wrong."""


@dataclass(frozen=True)
class Row:
    """One row of the file: the line it ends on, and its item or its faults (field, sentence)."""

    line: int
    item: Item | None
    faults: tuple[tuple[str, str], ...] = ()


def read(
    file: BinaryIO, key_field: str, fields: Sequence[Field], mapped: Mapping[str, str]
) -> Iterator[Row]:
    """Read the rows of a file one by one, from its beginning.

    mapped: column to field, for columns called otherwise; a column mapped to "" is left out.
    Raises Unreadable, at the latest where the file stops making sense.
    """
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(codecs.iterdecode(_lines(file), "utf-8-sig"), strict=True)
    known = {field.id: field for field in fields}
    try:
        columns = _columns(next(reader, []), known, mapped, key_field)
        for cells in reader:
            if cells:
                yield _row(reader.line_num, cells, columns, key_field, fields)
    except UnicodeDecodeError:
        raise Unreadable(f"After line {reader.line_num} the file is not UTF-8.") from None
    except csv.Error as fault:
        raise Unreadable(f"Near line {reader.line_num} the file is not CSV: {fault}.") from None


def _columns(
    header: Sequence[str], known: Mapping[str, Field], mapped: Mapping[str, str], key_field: str
) -> list[Field | None]:
    if not header:
        raise Unreadable("The file is empty; its first line must name the columns.")
    if len(header) > MAX_COLUMNS:
        raise Unreadable(f"The file has {len(header)} columns; {MAX_COLUMNS} are taken at most.")
    if absent := [column for column in mapped if column not in header]:
        raise Unreadable(f"The file has no column {absent[0]!r} to map.")
    names = [mapped.get(column, column) for column in header]
    for column, name in zip(header, names, strict=True):
        if name and name not in known:
            raise Unreadable(
                f"The column {column!r} is no field of the register. Map it to one of "
                f"{', '.join(known)}, or to nothing to leave it out."
            )
    filled = [name for name in names if name]
    if len(set(filled)) < len(filled):
        raise Unreadable("Two columns lead to the same field.")
    if key_field not in filled:
        raise Unreadable(f"No column leads to the field {key_field}, which holds the key.")
    return [known[name] if name else None for name in names]


def _row(
    line: int,
    cells: Sequence[str],
    columns: Sequence[Field | None],
    key_field: str,
    fields: Sequence[Field],
) -> Row:
    if len(cells) != len(columns):
        sentence = f"The row has {len(cells)} cells; the header has {len(columns)}."
        return Row(line, None, (("", sentence),))
    values: dict[str, str | list[str]] = {
        field.id: [part for part in cell.split(";") if part] if field.cardinality == "n" else cell
        for field, cell in zip(columns, cells, strict=True)
        if field is not None
    }
    try:
        return Row(line, read_item(key_field, fields, values, pointer=""))
    except Faulty as faulty:
        faults = tuple((fault["pointer"][1:], fault["detail"]) for fault in faulty.faults)
        return Row(line, None, faults)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise Unreadable(f"A line is longer than {MAX_LINE:,} bytes.")
        yield line
