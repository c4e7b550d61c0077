"""The documents of version 1, written from stored rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask import json
from sqlalchemy import RowMapping

from services.registers.domain import forms, forms_v1
from services.registers.domain.declarations import Declared
from services.registers.domain.forms_v1 import Entry, Record
from services.registers.routes import documents
from services.registers.routes.answers import JSON


def register(found: RowMapping, declared: Declared, domain: str) -> str:
    """Write the register resource; numbers are numbers here and nowhere else in version 1."""
    document = {
        "domain": domain,
        "total-records": found["records"],
        "total-entries": found["size"],
        "total-items": found["blobs"],
        "register-record": _record(found, declared),
        "custodian": declared.custodian or found["custodian"],
        "last-updated": forms.timestamp(found["updated"]),
    }
    return json.dumps({name: value for name, value in document.items() if value != ""})


def register_csv(found: RowMapping, declared: Declared) -> str:
    """Write the register's own record as CSV."""
    record = _record(found, declared)
    names = ("register", "text", "registry", "phase", "copyright", "fields")
    return forms.table(names, [forms.cells(names, record)])


def _record(found: RowMapping, declared: Declared) -> dict[str, Any]:
    record = {
        "register": found["name"],
        "text": declared.text or found["description"].get("en", ""),
        "registry": declared.registry or "",
        "phase": declared.phase or found["phase"],
        "copyright": declared.copyright or found["licence"],
        "fields": documents.field_names(found),
    }
    return {name: value for name, value in record.items() if value}


def records(found: RowMapping, rows: Iterable[Any], kind: str) -> str:
    """Write records."""
    listed = [Record(row.number, row.timestamp, row.key, row.content) for row in rows]
    if kind == JSON:
        return forms_v1.records_json(listed)
    return forms_v1.records_csv(documents.field_names(found), listed)


def entries(_found: RowMapping, rows: Iterable[Any], kind: str) -> str:
    """Write entries."""
    listed = [Entry(row.number, row.timestamp, row.key, row.item_hash) for row in rows]
    return forms_v1.entries_json(listed) if kind == JSON else forms_v1.entries_csv(listed)


def items(found: RowMapping, rows: Sequence[tuple[bytes, str]], kind: str) -> str:
    """Write items (hash, content)."""
    if kind == JSON:
        return forms_v1.items_json(rows)
    return forms_v1.items_csv(documents.field_names(found), [content for _, content in rows])
