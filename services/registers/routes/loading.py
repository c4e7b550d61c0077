"""Loading files: RSF and CSV, streamed to the disk and from there into a register."""

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from flask import Blueprint, Response, current_app, request

from servicekit import access
from servicekit.access import scope
from servicekit.problems import Malformed, Problem, UnsupportedMediaType
from services.registers import loads
from services.registers.domain import rsf
from services.registers.domain.canonical import write_hash
from services.registers.domain.objecthash import multihash
from services.registers.loads import Progress, Result
from services.registers.personal.declared import refuse_file
from services.registers.problems import FileRefused, NotCustodian
from services.registers.routes import answers
from services.registers.routes.answers import JSON
from services.registers.routes.state import clock, database, register_or_404
from services.registers.running import Running
from services.registers.storage import heads

blueprint = Blueprint("loading", __name__, url_prefix="/registers")
logger = logging.getLogger("registers.loading")

MAX_BODY_BYTES = 8 * 1024**3
OPERATOR = "platform.operate"
RSF_TYPES = (
    rsf.MEDIA_TYPE,
    "application/vnd.rsf",
    "application/octet-stream",
    "text/plain",
    "text/tab-separated-values",
)
CSV_TYPES = ("text/csv", "application/csv", "application/octet-stream", "text/plain")
LINES = "application/x-ndjson"
PATIENCE_S, BEAT_S = 8.0, 1.0  # the gateway gives up a service that is silent for 20 seconds
_CHUNK = 256 * 1024


@blueprint.post("/<register>/load-rsf")
@blueprint.post("/<register>/v1/load-rsf", endpoint="load_rsf_v1")
@scope("registers.append", OPERATOR)
def load_rsf(register: str) -> Response:
    """Append what an RSF file says to a register, all of it or nothing."""
    with database().snapshot() as session:
        register_or_404(session, register)
    _check_role(register)
    relaxed = _flag("relaxed")
    answers.check_query("relaxed")
    file, now = _body(RSF_TYPES), _now()
    kept = database()

    def task(progress: Progress) -> Result:
        with file:
            plan = loads.plan(kept, file, register, relaxed=relaxed)
            return loads.load_rsf(kept, file, plan, now=now, progress=progress)

    def refused(reason: str) -> dict[str, Any]:
        return {"success": False, "message": "Failed to load RSF", "details": reason}

    running = Running(task)
    if running.ended(PATIENCE_S):
        try:
            running.result()
        except rsf.Faulty as fault:
            return _json(refused(str(fault)), 400)
        except FileRefused as problem:
            return _json(refused(problem.detail), 400)
        return _json({"success": True, "message": "success"}, 200)

    def late() -> Iterator[bytes]:
        for _ in running.beats(BEAT_S):
            yield b" "  # JSON may begin with spaces; silence would end the call
        outcome = _outcome(running, lambda _: {"success": True, "message": "success"})
        problem = outcome.get("problem")
        yield json.dumps(refused(problem["detail"]) if problem else outcome["result"]).encode()

    return Response(late(), content_type=JSON)


@blueprint.post("/load")
@scope("registers.append", OPERATOR)
def load_any() -> Response:
    """Load an RSF file into the register it names; create that when it is not there."""
    answers.check_query("register", "relaxed", "dry-run")
    asked, dry_run = request.args.get("register"), bool(_flag("dry-run"))
    relaxed = _flag("relaxed")
    file, now = _body(RSF_TYPES), _now()
    kept = database()
    try:
        plan = loads.plan(kept, file, asked, relaxed=relaxed)
        _check_role(plan.register)
    except rsf.Faulty as fault:
        file.close()
        raise _as_problem(fault) from None
    except BaseException:
        file.close()
        raise

    def task(progress: Progress) -> Result:
        with file:
            return loads.load_rsf(kept, file, plan, now=now, dry_run=dry_run, progress=progress)

    return _answer(Running(task), lambda result: _told(result, dry_run=dry_run))


@blueprint.post("/<register>/load-csv")
@scope("registers.append", OPERATOR)
def load_csv(register: str) -> Response:
    """Append the rows of a CSV file that change their records, or check them all."""
    answers.check_query("dry-run", "map")
    with database().snapshot() as session:
        register_or_404(session, register)
    _check_role(register)
    mapped, dry_run = _mapped(), bool(_flag("dry-run"))
    file, now = _body(CSV_TYPES), _now()
    kept = database()
    if dry_run:

        def checked() -> Iterator[dict[str, object]]:
            with file:
                yield from loads.check_csv(kept, file, register, mapped)

        return Response(_checked(checked()), content_type=JSON)

    def task(progress: Progress) -> Result:
        with file:
            return loads.load_csv(kept, file, register, mapped, now=now, progress=progress)

    return _answer(Running(task), lambda result: _told(result, dry_run=False))


def _check_role(register: str) -> None:
    refuse_file(register)
    token = access.token()
    with database().snapshot() as session:
        found = heads.find_register(session, register)
    loads.check_open(found, by_operator=OPERATOR in token.scopes)
    if f"registers:custodian:{register}" not in token.roles and OPERATOR not in token.scopes:
        raise NotCustodian(
            f"Only the custodian of {register} or the operator loads files into it. Your token has "
            f"neither the role registers:custodian:{register} nor the scope {OPERATOR}."
        )


def _flag(name: str) -> bool | None:
    text = request.args.get(name)
    if text not in (None, "", "true", "false"):
        raise Malformed(f"{name} is true or false.")
    return None if text is None else text != "false"


def _mapped() -> dict[str, str]:
    mapped = {}
    for pair in request.args.getlist("map"):
        column, equals, field = pair.rpartition("=")
        if not equals or not column:
            raise Malformed("map is COLUMN=FIELD; with no field the column is left out.")
        mapped[column] = field
    return mapped


def _now() -> int:
    return int(clock().now().timestamp())


def _body(types: tuple[str, ...]) -> BinaryIO:
    """Put the body into a file without a name, piece by piece."""
    if request.mimetype and request.mimetype not in types:
        raise UnsupportedMediaType(f"Send one of {', '.join(types)}.")
    request.max_content_length = MAX_BODY_BYTES
    file = cast(BinaryIO, tempfile.TemporaryFile(prefix="registers-load-"))  # noqa: SIM115 (kept)
    try:
        while piece := request.stream.read(_CHUNK):
            file.write(piece)
    except BaseException:
        file.close()
        raise
    return file


def _answer(running: "Running[Result]", write: Callable[[Result], dict[str, Any]]) -> Response:
    """Answer with the result, or line by line with the progress where that is asked for."""
    if request.accept_mimetypes.best_match([JSON, LINES], default=JSON) == LINES:
        return Response(_lines(running, write), content_type=LINES)
    if running.ended(PATIENCE_S):
        try:
            result = running.result()
        except rsf.Faulty as fault:
            raise _as_problem(fault) from None
        response = _json(write(result), 201 if result.created else 200)
        if result.created:
            response.headers["Location"] = answers.public_path(result.register, "context")
        return response

    def late() -> Iterator[bytes]:
        for _ in running.beats(BEAT_S):
            yield b" "
        outcome = _outcome(running, write)
        yield json.dumps(outcome.get("problem") or outcome["result"], ensure_ascii=False).encode()

    return Response(_with_address(late()), content_type=JSON)


def _lines(
    running: "Running[Result]", write: Callable[[Result], dict[str, Any]]
) -> Iterator[bytes]:
    def lines() -> Iterator[bytes]:
        for entries in running.beats(BEAT_S):
            yield json.dumps({"entries": entries}).encode() + b"\n"
        yield json.dumps(_outcome(running, write), ensure_ascii=False).encode() + b"\n"

    return _with_address(lines())


def _with_address(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Keep the application at hand while the answer is written."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def kept() -> Iterator[bytes]:
        with app.app_context():
            yield from pieces

    return kept()


def _outcome(
    running: "Running[Result]", write: Callable[[Result], dict[str, Any]]
) -> dict[str, Any]:
    """Return ``{"result": …}``, or ``{"problem": …}`` as the status line has gone already."""
    try:
        return {"result": write(running.result())}
    except rsf.Faulty as fault:
        problem: Problem = _as_problem(fault)
    except Problem as refused:
        problem = refused
    except Exception as error:  # the answer has begun: say it in the body
        logger.error("a load failed unexpectedly", exc_info=error)
        problem = Problem("The fault has been logged. Nothing was loaded.")
    return {"problem": problem.body(current_app.config["ATOLL_SETTINGS"].public_url)}


def _as_problem(fault: rsf.Faulty) -> FileRefused:
    return FileRefused(
        f"Nothing was loaded. {fault}",
        line=fault.line,
        command=fault.command,
        reason=fault.reason,
    )


def _told(result: Result, *, dry_run: bool) -> dict[str, Any]:
    loaded = result.loaded
    told: dict[str, Any] = {
        "register": result.register,
        "created": result.created,
        "dry-run": dry_run,
        "entries": loaded.entries,
        "system-entries": loaded.system_entries,
        "items": loaded.items,
        "skipped": loaded.skipped,
        "warnings": loaded.warnings,
    }
    if not dry_run:
        told["total-entries"] = loaded.size
        told["root-hash"] = multihash(loaded.root_v2)
        told["root-hash-v1"] = write_hash(loaded.root_v1)
    return told


def _checked(found: Iterator[dict[str, object]]) -> Iterator[bytes]:
    """Write the faults of a dry run as they are found: nobody holds them all."""
    first = next(found)  # raises before the answer begins

    def pieces() -> Iterator[bytes]:
        yield b'{"errors":['
        comma, each = b"", first
        while "rows" not in each:
            yield comma + json.dumps(each, ensure_ascii=False).encode()
            comma, each = b",", next(found)
        yield b"]," + json.dumps(each).encode()[1:]

    return pieces()


def _json(document: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status, content_type=JSON)
