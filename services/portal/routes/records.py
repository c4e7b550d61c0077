"""One record: what it says, what leads to it, its life, its proof in words and as a picture."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request

from servicekit import access
from servicekit.pages import language, text
from servicekit.problems import NotFound
from services.portal import registers_tools as tools
from services.portal.components import components
from services.portal.domain import audit_path
from services.portal.domain.audit_path import Span
from services.portal.panels import panel
from services.portal.registers_client import Context, Field
from services.portal.routes.registers import about_register, as_it_was

pages = Blueprint("records", __name__)
_MAX_NUMBER = 18  # digits


@pages.get("/portal/registers/<register>/records/<path:key>")
@access.public
def show_record(register: str, key: str) -> str:
    """Show a record, now or as it was, and what it said before."""
    client, when = components().registers, as_it_was()
    record = panel(lambda: client.record(register, key, when or None))
    if record.trouble == "missing":
        raise NotFound("There is no such record in this register.")
    context = panel(lambda: client.context(register)).value
    about = about_register(register)
    life = panel(lambda: client.life(register, key))
    newest = life.value.versions[0].number if life.value and life.value.versions else 0
    return render_template(
        "record.html",
        register=register,
        key=key,
        about=about,
        titles={one.id: one.title for one in panel(client.registers).value or []},
        record=record,
        when=when,
        fields=_fields(context, record.value or {}),
        life=life,
        comparison=_comparison(register, key),
        links=panel(lambda: tools.links_to(client, register, key)),
        proof=_proof(newest, context.size if context else 0),
        public_url=components().settings.public_url,
    )


def _fields(context: Context | None, record: Mapping[str, Any]) -> dict[str, Field]:
    """Return the columns in their order, then what the record has beyond them."""
    fields = {field.id: field for field in (context.fields if context else [])}
    for name in record:
        if name != "_id":
            fields.setdefault(name, Field(name, {"en": name}, "string", many=False))
    return fields


def _comparison(register: str, key: str) -> Any:
    """Return how the record differs between the two entries that are asked for, if any are."""
    old, new = request.args.get("from", ""), request.args.get("to", "")
    if not (_is_number(old) and _is_number(new)):
        return None
    old, new = sorted((old, new), key=int)
    query = {"from": old, "to": new}
    return panel(lambda: tools.compare_record(components().registers, register, key, query))


def _is_number(given: str) -> bool:
    return given.isascii() and given.isdecimal() and len(given) <= _MAX_NUMBER


def _proof(number: int, size: int) -> dict[str, Any] | None:
    """Return the picture of a proof, and the same steps in words."""
    if not 1 <= number <= size:
        return None
    steps = audit_path.steps(number, size)
    labels = [str(text("proof_row_entry", number=number))]
    labels += [_range(step.covered) for step in steps]
    if steps:
        labels[-1] = str(text("proof_row_all", size=size))
    title = str(text("proof_picture", number=number, size=size, count=len(steps)))
    return {
        "number": number,
        "size": size,
        "steps": [(_range(step.beside), _range(step.covered)) for step in steps],
        "picture": audit_path.draw(number, size, labels, title, rtl=language() == "dv"),
    }


def _range(span: Span) -> str:
    if span.first == span.last:
        return str(text("check_one", number=span.first))
    return str(text("check_many", **{"from": span.first, "to": span.last}))
