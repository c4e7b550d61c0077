"""Whole registers: the log in the register serialisation format, and version 1's archive."""

import json
import re
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from flask import Blueprint, Response, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.access import public
from servicekit.database import Database
from servicekit.problems import Malformed
from services.registers.domain import canonical, forms_v1, rsf
from services.registers.domain.canonical import write_hash
from services.registers.routes import answers, documents, documents_v1
from services.registers.routes.answers import FOREVER, FRESH
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import heads, log, system, trees

blueprint = Blueprint("exports", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)
MAX_ARCHIVED = 100_000  # entries
_PIECE = 64 * 1024


@blueprint.get("/download-rsf")
@blueprint.get("/v1/download-rsf", endpoint="download_rsf_v1")
@public
def download_rsf(register: str) -> Response:
    """Write the whole register as RSF."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    return _rsf(found, 0, found["size"], whole=True)


@blueprint.get("/download-rsf/<first>")
@blueprint.get("/v1/download-rsf/<first>", endpoint="download_rsf_from_v1")
@public
def download_rsf_from(register: str, first: str) -> Response:
    """Write what came after a size of the log as RSF."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    return _rsf(found, _size(first, found["size"]), found["size"], whole=False)


@blueprint.get("/download-rsf/<first>/<last>")
@blueprint.get("/v1/download-rsf/<first>/<last>", endpoint="download_rsf_between_v1")
@public
def download_rsf_between(register: str, first: str, last: str) -> Response:
    """Write what came between two sizes of the log as RSF."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    end = _size(last, found["size"])
    return _rsf(found, _size(first, end), end, whole=False, closed=True)


@blueprint.get("/v1/download-register")
@blueprint.get("/download-register", endpoint="archive_beside_v2")
@public
def archive(register: str) -> Response:
    """Write the whole register as version 1's archive, a ZIP of JSON files."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        declared = documents.declared(system.entries(session, found["id"]))
    if found["size"] > MAX_ARCHIVED:
        raise Malformed(
            f"An archive holds {MAX_ARCHIVED} entries at most, a file for each. "
            "This register has more: take download-rsf."
        )
    about = documents_v1.register(found, declared, answers.public_host())
    response = Response(_zip(database(), found, about), content_type="application/octet-stream")
    return _as_file(response, f"{register}-{_milliseconds()}.zip", f"{_version(found)}.zip")


def _size(text: str, most: int) -> int:
    if re.fullmatch(r"[0-9]{1,18}", text) is None or int(text) > most:
        raise Malformed(f"Give sizes of the log from 0 to {most}, the smaller one first.")
    return int(text)


def _rsf(
    found: RowMapping, first: int, last: int, *, whole: bool, closed: bool = False
) -> Response:
    response = Response(
        _lines(database(), found, first, last, whole=whole), content_type=rsf.MEDIA_TYPE
    )
    tag = f"{_version(found)}-{first}-{last}" if first == 0 else f"{found['name']}-{first}-{last}"
    cache = FOREVER if closed and first > 0 else FRESH
    return _as_file(response, f"rsf-{_milliseconds()}.rsf", tag, cache)


def _as_file(response: Response, name: str, tag: str, cache: str = FRESH) -> Response:
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    response.headers["Cache-Control"] = cache
    response.set_etag(tag)
    response.implicit_sequence_conversion = False  # or it would gather the file to measure it
    return response.make_conditional(request)  # type: ignore[return-value]


def _version(found: RowMapping) -> str:
    return f"{heads.root_v1(found).hex()}-{found['system_size']}"


def _milliseconds() -> int:
    return int(clock().now().timestamp() * 1000)


def _lines(
    kept: Database, found: RowMapping, first: int, last: int, *, whole: bool
) -> Iterator[bytes]:
    """Write commands in the reference's order, in pieces that are worth sending."""
    with kept.snapshot() as session:
        piece: list[str] = []
        length = 0
        for line in _commands(session, found, first, last, whole=whole):
            piece.append(line)
            length += len(line)
            if length >= _PIECE:
                yield "".join(piece).encode()
                piece, length = [], 0
        yield "".join(piece).encode()


def _commands(
    session: Session, found: RowMapping, first: int, last: int, *, whole: bool
) -> Iterator[str]:
    register_id = found["id"]
    if whole or first < last:
        yield rsf.assert_root(trees.root(session, register_id, "v1", first))
    said = system.entries(session, register_id)[: found["system_size"]] if first == 0 else []
    told: set[bytes] = set()
    for row in said:
        if row.item_hash not in told:
            told.add(row.item_hash)
            yield rsf.add_item(row.content)
    for content in log.export_items(session, register_id, first + 1, last):
        if not told or canonical.item_hash(content) not in told:
            yield rsf.add_item(content)
    for row in said:
        yield rsf.append_entry("system", row.key, row.timestamp, row.item_hash)
    for entry in log.export_entries(session, register_id, first + 1, last):
        yield rsf.append_entry("user", entry.key, entry.timestamp, entry.item_hash)
    yield rsf.assert_root(trees.root(session, register_id, "v1", last))


class _Pieces:
    """What a ZIP is written to: a file that gives its content away."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken


def _zip(kept: Database, found: RowMapping, about: str) -> Iterator[bytes]:
    pieces = _Pieces()
    target = cast(IO[bytes], pieces)
    with kept.snapshot() as session, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(session, found, about):
            # the same register makes the same archive: no file has the time of today
            file = zipfile.ZipInfo(f"{found['name']}/{name}")
            file.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(file, content)
            yield pieces.take()
    yield pieces.take()


def _files(session: Session, found: RowMapping, about: str) -> Iterator[tuple[str, str]]:
    yield "register.json", about
    proof = {
        "proof-identifier": forms_v1.PROOF_IDENTIFIER,
        "root-hash": write_hash(heads.root_v1(found)),
        "total-entries": found["size"],
    }
    yield "proof.json", json.dumps(proof)
    for content in log.export_items(session, found["id"], 1, found["size"]):
        yield f"item/{canonical.item_hash(content).hex()}.json", content
    for row in log.export_entries(session, found["id"], 1, found["size"]):
        entry = forms_v1.Entry(row.number, row.timestamp, row.key, row.item_hash)
        yield f"entry/{row.number}.json", forms_v1.entry_json(entry)
