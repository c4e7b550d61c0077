"""Addresses that moved: singular to plural, no slash at the end, and version 1's short forms."""

from urllib.parse import quote

from flask import Blueprint, Response, redirect, request

from servicekit.access import public
from servicekit.problems import NotFound
from services.registers.routes import answers
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads

blueprint = Blueprint("redirects", __name__, url_prefix="/registers")
blueprint.after_request(answers.allow_everyone)
_PLURALS = {"record": "records", "entry": "entries", "item": "items"}


@blueprint.get("/<register>")
@blueprint.get("/<register>/", endpoint="home_with_slash")
@public
def home(register: str) -> Response:
    """Lead to what the register is about."""
    return _moved(register, "context")


@blueprint.get("/<register>/v1")
@blueprint.get("/<register>/v1/", endpoint="home_v1_with_slash")
@public
def home_v1(register: str) -> Response:
    """Lead to what the register is about in version 1."""
    return _moved(register, "v1", "register")


@blueprint.get("/<register>/v1/record/<key:key>")
@public
def old_record(register: str, key: str) -> Response:
    """Lead from ``record`` to ``records``."""
    return _moved(register, "v1", "records", key)


@blueprint.get("/<register>/v1/record/<key:key>/entries")
@public
def old_record_entries(register: str, key: str) -> Response:
    """Lead from a record's entries under ``record`` to those under ``records``."""
    return _moved(register, "v1", "records", key, "entries")


@blueprint.get("/<register>/v1/<path:rest>")
@public
def old_address(register: str, rest: str) -> Response:
    """Lead to where an address of version 1 is now; ``FIELD/VALUE`` names records by a value."""
    parts = rest.split("/")
    if len(parts) > 1 and not parts[-1]:
        return _moved(register, "v1", *(part for part in parts if part))
    if parts[0] in _PLURALS and len(parts) == 2:
        return _moved(register, "v1", _PLURALS[parts[0]], parts[1])
    if parts[:2] == ["proof", "entry"] and len(parts) == 5:
        return _moved(register, "v1", "proof", "entries", *parts[2:])
    if len(parts) == 2:
        return _by_value(register, *parts)
    raise NotFound("Version 1 of this register has nothing at this address.")


def _by_value(register: str, field: str, value: str) -> Response:
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if field == heads.key_field(found):
            return _moved(register, "v1", "records", value)
        if field in {each.id for each in heads.fields_of(found)}:
            return _moved(register, "v1", "records", field, value)
    raise NotFound("Version 1 of this register has nothing at this address.")


def _moved(*parts: str) -> Response:
    with database().snapshot() as session:
        register_or_404(session, parts[0])
    address = answers.public_path(*parts) + answers.suffix()
    if request.query_string:
        address += "?" + quote(request.query_string, safe="=&%+:;,/?@!$'()*~")
    response = redirect(address, 301)
    response.headers["Cache-Control"] = answers.FRESH
    return response  # type: ignore[return-value]
