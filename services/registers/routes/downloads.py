"""Whole registers as files: CSV, JSON Lines, GeoJSON, streamed record by record."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, current_app, request
from sqlalchemy import RowMapping

from servicekit.access import public
from servicekit.database import Database
from servicekit.problems import NotFound
from services.registers.domain import forms, geography, shapes
from services.registers.routes import answers, asof, documents
from services.registers.routes.answers import CSV, FRESH
from services.registers.routes.state import database, register_or_404
from services.registers.storage import asof as stored
from services.registers.storage import heads

blueprint = Blueprint("downloads", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

JSON_LINES, GEOJSON = "application/x-ndjson", "application/geo+json"
CSVW = "application/csvm+json"
_PIECE = 64 * 1024
Rows = Iterator[Any]


@blueprint.get("/download/<kind>")
@public
def download(register: str, kind: str) -> Response:
    """Stream every record of a register in the order of the keys, as it is or as it was."""
    answers.check_query(*asof.NAMES)
    if kind == "csv-metadata":
        return _csv_metadata(register)
    if kind not in _KINDS or answers.suffix():
        raise NotFound(f"Registers are downloaded as {', '.join(_KINDS)}.")
    content_type, write = _KINDS[kind]
    with database().snapshot() as session:
        found = register_or_404(session, register)
        size = asof.size_asked(session, found)
    if kind == "geojson" and geography.field_with_places(heads.fields_of(found)) is None:
        raise NotFound("The records of this register have no coordinates.")
    response = Response(
        _pieces(write(found, _records(database(), found, size))), content_type=content_type
    )
    name = f"{register}{'' if size is None else f'-{size}'}.{kind}"
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    response.headers["Cache-Control"] = FRESH
    response.set_etag(f"{heads.root_v1(found).hex()}-{found['system_size']}-{size}-{kind}")
    if kind == "csv":
        about = answers.public_path(register, "download", "csv-metadata.json")
        response.headers.add("Link", f'<{about}>; rel="describedby"; type="{CSVW}"')
    response.implicit_sequence_conversion = False
    return response.make_conditional(request)  # type: ignore[return-value]


def _csv_metadata(register: str) -> Response:
    if answers.suffix() not in ("", ".json") or request.args:
        raise NotFound("The metadata of the CSV file is csv-metadata.json.")
    with database().snapshot() as session:
        found = register_or_404(session, register)
    public_url = current_app.config["ATOLL_SETTINGS"].public_url
    document = shapes.csv_metadata(
        found,
        heads.fields_of(found),
        heads.key_field(found),
        answers.public_path(register, "download", "csv"),
        f"{public_url}/registers/curie",
    )
    return answers.answer(json.dumps(document, ensure_ascii=False), CSVW)


def _records(kept: Database, found: RowMapping, size: int | None) -> Rows:
    with kept.snapshot() as session:
        yield from stored.every_record(session, found["id"], size)


def _csv(found: RowMapping, records: Rows) -> Iterator[str]:
    """Write the fields alone, in the order of the schema: what load-csv takes."""
    names = documents.field_names(found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    for row in records:
        writer.writerow(forms.cells(names, json.loads(row.content)))
        if text.tell() >= _PIECE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _json_lines(_found: RowMapping, records: Rows) -> Iterator[str]:
    for row in records:
        yield forms.with_id(row.key, row.content) + "\n"


def _geojson(found: RowMapping, records: Rows) -> Iterator[str]:
    field = geography.field_with_places(heads.fields_of(found))
    assert field is not None  # noqa: S101 (asked before)
    yield '{"type":"FeatureCollection","features":['
    comma = ""
    for row in records:
        item = forms.without_empty(json.loads(row.content))
        place = geography.place_of(field, item)
        written = json.dumps(geography.feature(row.key, item, place), ensure_ascii=False)
        yield f"{comma}\n{written}"
        comma = ","
    yield "\n]}\n"


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    """Put lines together to pieces that are worth sending."""
    piece: list[str] = []
    length = 0
    for line in lines:
        piece.append(line)
        length += len(line)
        if length >= _PIECE:
            yield "".join(piece).encode()
            piece, length = [], 0
    yield "".join(piece).encode()


_KINDS: dict[str, tuple[str, Callable[[RowMapping, Rows], Iterator[str]]]] = {
    "csv": (CSV, _csv),
    "jsonl": (JSON_LINES, _json_lines),
    "geojson": (GEOJSON, _geojson),
}
