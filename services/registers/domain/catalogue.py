"""The registers ``register`` and ``field``: what each register and each field is, as rows.

A row is as a CSV file would have it: several values in a cell are joined with ``;``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.registers.domain import declarations
from services.registers.domain.items import Field

Row = dict[str, str]


def registers(described: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a row of ``register`` for each register (columns of its table)."""
    return [register_row(register) for register in described]


def fields(described: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a row of ``field`` for each field of these registers.

    A field is described once, as the register that is called like it does; else as the first one.
    """
    found: dict[str, Row] = {}
    for register in described:
        for given in register["fields"]:
            field = Field(**given)
            if field.id not in found or field.id == register["name"]:
                found[field.id] = field_row(field, register["name"], register["phase"])
    return [found[name] for name in sorted(found)]


def register_row(register: Mapping[str, Any]) -> Row:
    """Return the row of ``register`` for one register."""
    return {
        "register": register["name"],
        "text": register["description"].get("en", ""),
        "registry": register["custodian"],
        "phase": register["phase"],
        "copyright": register["licence"],
        "fields": ";".join(field["id"] for field in register["fields"]),
    }


def field_row(field: Field, register: str, phase: str) -> Row:
    """Return the row of ``field`` for a field of a register."""
    item = declarations.field_item(field, phase)
    leads_to = item.get("register") or (register if field.id == register else "")
    names = ("field", "datatype", "phase", "cardinality", "text")
    return {name: item.get(name, "") for name in names} | {"register": leads_to}
