"""Entering a register that is new or changed into the registers ``register`` and ``field``."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from services.registers.domain import catalogue
from services.registers.domain.items import Faulty, Item, read_item
from services.registers.storage import appending, heads, log

CATALOGUE = ("register", "field")  # locked in this order, and after the register itself


def enlist(session: Session, register: str, now: int) -> None:
    """Append what the catalogue registers do not say yet of a register and of its fields.

    A field that is there keeps what it says: its meaning never changes. Does nothing for a
    catalogue register that is not there. now: seconds since 1970.
    """
    about = heads.find_register(session, register)
    if about is None or about["state"] == "draft" or register in CATALOGUE:
        return
    _append(session, "register", [catalogue.register_row(dict(about))], now, correct=True)
    fields = [
        catalogue.field_row(field, register, about["phase"]) for field in heads.fields_of(about)
    ]
    _append(session, "field", fields, now, correct=False)


def _append(
    session: Session, name: str, rows: list[dict[str, str]], now: int, *, correct: bool
) -> None:
    head = heads.lock_register(session, name)
    if head is None or head["loading"]:
        return
    fields = heads.fields_of(head)
    many = {field.id for field in fields if field.cardinality == "n"}
    known = {field.id for field in fields}
    new: list[Item] = []
    for row in rows:
        item = _item(name, fields, many, known, row)
        if item is None:
            continue
        record = log.find_record(session, name, item.key)
        if record is None or (correct and record.item_hash != item.item_hash):
            new.append(item)
    if new:
        appending.append_entries(session, head, new, now)


def _item(
    name: str, fields: Any, many: set[str], known: set[str], row: Mapping[str, str]
) -> Item | None:
    values = {
        key: cell.split(";") if key in many else cell
        for key, cell in row.items()
        if key in known and cell
    }
    try:
        return read_item(name, fields, values)
    except Faulty:  # a name or text that these registers cannot hold
        return None
