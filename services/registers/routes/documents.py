"""The documents that reads are answered with, written from stored rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask import json
from sqlalchemy import RowMapping

from services.registers.domain import datatypes, declarations, forms, governance
from services.registers.domain.declarations import Declared
from services.registers.domain.items import Field
from services.registers.personal.declared import personal_registers
from services.registers.routes.answers import JSON
from services.registers.storage import heads


def registers(found: Iterable[RowMapping]) -> str:
    """Write the list of registers."""
    return json.dumps({"registers": [_summary(register) for register in found]})


def status(register: RowMapping, ended: tuple[int, str] | None = None) -> dict[str, str]:
    """Return since when a register is there, and until when and why where it is archived."""
    document = {"start-date": forms.timestamp(register["started"])}
    if ended is not None:
        document |= {"end-date": forms.timestamp(ended[0]), "reason": ended[1]}
    return document


def context(register: RowMapping, ended: tuple[int, str] | None = None) -> str:
    """Write the context of a register (specification v2), with members of our own at its end.

    ended: when and why an archived register was closed.

    title and description are English, as the specification has one language; ``translations``
    holds the Dhivehi ones.
    """
    document = {
        "id": register["name"],
        "title": register["title"]["en"],
        "description": register["description"]["en"],
        "custodian": register["custodian"],
        "licence": register["licence"],
        "hashing-algorithm": {"codec": "sha2-256", "function-type": 18, "digest-length": 32},
        "root-hash": heads.root_hash(register),
        "schema": [_field(field) for field in heads.fields_of(register)],
        "statistics": {
            "total-entries": register["size"],
            "total-records": register["records"],
            "total-blobs": register["blobs"],
        },
        "status": status(register, ended),
        "synthetic": register["synthetic"],
        "source": register["source"],
        "phase": register["phase"],
        "state": register["state"],
        "review": bool(register["review"]),
        "governance": governance.of(register),
        "updated": forms.timestamp(register["updated"]),
        "translations": {
            "dv": {
                "title": register["title"].get("dv", ""),
                "description": register["description"].get("dv", ""),
            }
        },
    }
    return json.dumps(document | _personal(register))


def entries(rows: Sequence[Sequence[Any]], kind: str, *, single: bool = False) -> str:
    """Write entries (number, seconds, key, blob hash), or a single one."""
    if kind != JSON:
        return forms.entries_csv(row[:4] for row in rows)
    objects = [forms.entry_json(*row[:4]) for row in rows]
    return objects[0] if single else forms.json_list(objects)


def entries_list(_found: RowMapping, rows: Sequence[Sequence[Any]], kind: str) -> str:
    """Write a list of entries."""
    return entries(rows, kind)


def records(found: RowMapping, rows: Iterable[Any], kind: str) -> str:
    """Write a list of records."""
    return items(found, [(row.key, row.content) for row in rows], kind)


def field_names(register: RowMapping) -> list[str]:
    """Return the names of a register's fields in the order of its schema."""
    return [field["id"] for field in register["fields"]]


def declared(rows: Iterable[Any]) -> Declared:
    """Return what rows of a system log declare."""
    return declarations.read((row.key, json.loads(row.content)) for row in rows)


def items(
    register: RowMapping, rows: Sequence[tuple[str, str]], kind: str, *, single: bool = False
) -> str:
    """Write records or blobs (id, canonical JSON), or a single one."""
    if kind != JSON:
        return forms.items_csv(field_names(register), rows)
    objects = [forms.with_id(*row) for row in rows]
    return objects[0] if single else forms.json_list(objects)


def _summary(register: RowMapping) -> dict[str, Any]:
    return {
        "id": register["name"],
        "title": register["title"],
        "description": register["description"],
        "synthetic": register["synthetic"],
        "source": register["source"],
        "custodian": register["custodian"],
        "licence": register["licence"],
        "phase": register["phase"],
        "state": register["state"],
        "governance": governance.of(register),
        "records": register["records"],
        "entries": register["size"],
        "root-hash": heads.root_hash(register),
        "updated": forms.timestamp(register["updated"]),
        "personal": register["name"] in personal_registers(),
    }


def _personal(register: RowMapping) -> dict[str, Any]:
    """Return what is kept of people beside the log, where a register is a personal one."""
    declared = personal_registers().get(register["name"])
    if declared is None:
        return {}
    return {
        "personal": {
            "schema": [_field(field) for field in declared.values],
            "questions": sorted(declared.questions),
            "categories": {"read": declared.read, "ask": declared.ask},
        }
    }


def _field(field: Field) -> dict[str, Any]:
    title, description = field.title or {}, field.description or {}
    datatype, shown_format = datatypes.SHOWN.get(field.datatype, (field.datatype, field.format))
    document: dict[str, Any] = {
        "id": field.id,
        "datatype": datatype,
        "cardinality": field.cardinality,
        "title": title.get("en"),
        "description": description.get("en"),
        "format": shown_format,
        "register": field.register,
    }
    translated = {"title": title.get("dv"), "description": description.get("dv")}
    dhivehi = {name: words for name, words in translated.items() if words}
    document["translations"] = {"dv": dhivehi} if dhivehi else None
    return {name: value for name, value in document.items() if value is not None}
