"""The registers: the list, one register with its records, one record with its history."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request

from servicekit import access
from servicekit.problems import NotFound
from services.portal.components import components
from services.portal.panels import panel
from services.portal.registers_client import Field

pages = Blueprint("registers", __name__)
_COLUMNS = 9
_MAX_CURSOR = 200


@pages.get("/portal/registers")
@access.public
def list_registers() -> str:
    """List the registers with their sizes."""
    return render_template("registers.html", registers=panel(components().registers.registers))


@pages.get("/portal/registers/<register>")
@access.public
def show_register(register: str) -> str:
    """Show a register's records, a page at a time."""
    client = components().registers
    cursor = {
        name.removeprefix("page-"): value
        for name, value in request.args.items()
        if name.startswith("page-") and len(value) <= _MAX_CURSOR
    }
    context = panel(lambda: client.context(register))
    records = panel(lambda: client.records(register, cursor))
    if "missing" in (context.trouble, records.trouble):
        raise NotFound("There is no such register. The list is at /portal/registers.")
    about = panel(client.registers).value or []
    return render_template(
        "register.html",
        register=register,
        about=next((one for one in about if one.id == register), None),
        columns=context.value.fields[:_COLUMNS] if context.value else [],
        context=context,
        records=records,
        further={f"page-{name}": value for name, value in records.value.next.items()}
        if records.value and records.value.next
        else None,
        is_first=not cursor,
    )


@pages.get("/portal/registers/<register>/records/<path:key>")
@access.public
def show_record(register: str, key: str) -> str:
    """Show a record and what it said before."""
    client = components().registers
    record = panel(lambda: client.record(register, key))
    if record.trouble == "missing":
        raise NotFound("There is no such record in this register.")
    return render_template(
        "record.html",
        register=register,
        key=key,
        about=next(
            (one for one in panel(client.registers).value or [] if one.id == register), None
        ),
        record=record,
        fields=_fields(register, record.value or {}),
        history=panel(lambda: client.history(register, key)),
        public_url=components().settings.public_url,
    )


def _fields(register: str, record: Mapping[str, Any]) -> dict[str, Field]:
    """Return the columns in their order, then what the record has beyond them."""
    context = panel(lambda: components().registers.context(register)).value
    fields = {field.id: field for field in (context.fields if context else [])}
    for name in record:
        if name != "_id":
            fields.setdefault(name, Field(name, {"en": name}, "string", many=False))
    return fields
