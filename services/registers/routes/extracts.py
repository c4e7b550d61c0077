"""Certified extracts of records: a file for programs, a page to print for people."""

import json
from io import BytesIO

import segno
from flask import Blueprint, Response, render_template
from segno.encoder import DataOverflowError

from servicekit.access import public
from servicekit.note import Checkpoint, read_note
from servicekit.problems import NotFound
from services.registers.domain import extracts, keys
from services.registers.routes import answers
from services.registers.routes.answers import JSON
from services.registers.routes.log import current_note, vkey
from services.registers.routes.state import database, register_or_404
from services.registers.storage import log, trees

blueprint = Blueprint("extracts", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

HTML = "text/html; charset=utf-8"
# a paper needs no script and no frame; its own style and the code as a picture are all it has
PAPER = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@blueprint.get("/records/<key:key>/extract")
@public
def extract(register: str, key: str) -> Response:
    """Certify a record as it is now: its item and entry, the proof and the signed tree head."""
    kind = answers.wanted(JSON, HTML)
    answers.check_query()
    note = current_note(register, "v2")
    size = Checkpoint.parse(read_note(note).text).size
    with database().snapshot() as session:
        found = register_or_404(session, register)
        row = log.record_at(session, found["id"], key, size) if keys.is_key(key) else None
        if row is None:
            raise NotFound("The register has no record with this key.")
        path = trees.inclusion(session, found["id"], "v2", row.number, size)
    document = extracts.write(
        register,
        number=row.number,
        timestamp=row.timestamp,
        key=key,
        blob_hash=row.hash,
        content=row.content,
        size=size,
        path=path,
        checkpoint=note,
        vkey=vkey(register),
    )
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if kind == JSON:
        response = answers.answer(text)
        name = f"{register}-{key.replace('/', '_')}-extract.json"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    address = answers.public_path(register, "records", key, "extract")
    page = render_template(
        "extract.html",
        extract=document,
        title=found["title"],
        synthetic=found["synthetic"],
        titles={field["id"]: field.get("title") or {} for field in found["fields"]},
        address=address,
        **_code(text, address),
    )
    response = answers.answer(page, HTML)
    response.headers["Content-Security-Policy"] = PAPER
    return response


def _code(text: str, address: str) -> dict[str, object]:
    """Draw the whole extract as a QR code, or its address where that is too much for one."""
    try:
        code, whole = segno.make_qr(text, error="l"), True
    except DataOverflowError:
        code, whole = segno.make_qr(address), False
    drawing = BytesIO()
    code.save(drawing, kind="svg", xmldecl=False, svgns=False, scale=3, omitsize=True)
    return {"code": drawing.getvalue().decode(), "code_is_whole": whole}
