"""Registers described for machines: JSON Schema, OpenAPI, the DCAT-AP catalogue, curies."""

import json
from urllib.parse import unquote

from flask import Blueprint, Response, current_app, redirect, request
from sqlalchemy import RowMapping

from servicekit.access import public
from servicekit.problems import NotAcceptable, NotFound
from services.registers.domain import dcat, geography, keys, shapes
from services.registers.routes import answers
from services.registers.routes.answers import JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, log

blueprint = Blueprint("describing", __name__, url_prefix="/registers")
blueprint.after_request(answers.allow_everyone)

SCHEMA, JSON_LD, TURTLE = "application/schema+json", "application/ld+json", "text/turtle"
TITLE, PUBLISHER = "Registers", "Atoll demonstration office"


@blueprint.get("/<register>/schema")
@public
def schema(register: str) -> Response:
    """Describe a record of a register as JSON Schema 2020-12."""
    answers.check_query()
    found = _found(register)
    document = shapes.json_schema(
        found,
        heads.fields_of(found),
        heads.key_field(found),
        answers.public_path(register, "schema"),
    )
    return answers.answer(json.dumps(document, ensure_ascii=False), _kind(SCHEMA))


@blueprint.get("/<register>/openapi")
@public
def openapi(register: str) -> Response:
    """Describe the addresses of one register alone as OpenAPI."""
    answers.wanted(JSON)
    answers.check_query()
    found = _found(register)
    fields = heads.fields_of(found)
    document = shapes.openapi(
        found,
        fields,
        heads.key_field(found),
        current_app.config["ATOLL_SETTINGS"].public_url,
        places=geography.field_with_places(fields) is not None,
    )
    return answers.answer(json.dumps(document, ensure_ascii=False))


@blueprint.get("/catalogue")
@public
def catalogue() -> Response:
    """Describe all registers as DCAT-AP 3: JSON-LD, or Turtle where that is asked for."""
    answers.check_query()
    kind = JSON_LD
    if answers.suffix() not in ("", ".json"):
        raise NotAcceptable("The catalogue is .jsonld or .ttl.")
    if not answers.suffix() and request.accept_mimetypes:
        known = [JSON_LD, TURTLE, JSON]
        best = request.accept_mimetypes.best_match(known)
        if best is None:
            raise NotAcceptable(f"The catalogue comes as {JSON_LD} or {TURTLE}.")
        kind = best
    return _catalogue(JSON if answers.suffix() else kind)


@blueprint.get("/catalogue.ttl")
@public
def catalogue_turtle() -> Response:
    """Describe all registers in Turtle."""
    answers.check_query()
    return _catalogue(TURTLE)


@blueprint.get("/catalogue.jsonld")
@public
def catalogue_json_ld() -> Response:
    """Describe all registers in JSON-LD."""
    answers.check_query()
    return _catalogue(JSON_LD)


@blueprint.get("/curie/<curie>")
@public
def follow_curie(curie: str) -> Response:
    """Lead from a curie to the record that it names, or to the whole register."""
    answers.check_query()
    register, colon, reference = curie.partition(":")
    key = unquote(reference)
    if not colon or (key and not keys.is_key(key)):
        raise NotFound("A curie is a register, a colon and a key: island:K-Thulusdhoo.")
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if key and log.record_at(session, found["id"], key, found["size"]) is None:
            raise NotFound("The register has no record with this key.")
    path = (register, "records", key) if key else (register, "context")
    return redirect(answers.public_path(*path), 303)  # type: ignore[return-value]


def _catalogue(kind: str) -> Response:
    with database().snapshot() as session:
        found = heads.all_registers(session)
    described = [
        (each, geography.field_with_places(heads.fields_of(each)) is not None) for each in found
    ]
    settings = current_app.config["ATOLL_SETTINGS"]
    statements = dcat.catalogue(described, settings.public_url, TITLE, PUBLISHER)
    write = dcat.turtle if kind == TURTLE else dcat.json_ld
    content_type = f"{TURTLE}; charset=utf-8" if kind == TURTLE else kind
    return answers.answer(write(statements), content_type)


def _found(register: str) -> RowMapping:
    with database().snapshot() as session:
        return register_or_404(session, register)


def _kind(own: str) -> str:
    """Return the own type of a document in JSON, or plain JSON where only that is taken."""
    if answers.suffix() not in ("", ".json"):
        raise NotAcceptable("This document is JSON.")
    if not request.accept_mimetypes or answers.suffix():
        return own
    best = request.accept_mimetypes.best_match([own, JSON])
    if best is None:
        raise NotAcceptable(f"This document comes as {own}.")
    return best
