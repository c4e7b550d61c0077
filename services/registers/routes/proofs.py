"""Proofs over a register's log: tree head, inclusion and consistency (RFC 6962 section 2.1)."""

from collections.abc import Sequence

from flask import Blueprint, Response, json

from servicekit.access import public
from services.registers.domain.objecthash import multihash
from services.registers.routes import answers
from services.registers.routes.answers import FOREVER, JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, trees

blueprint = Blueprint("proofs", __name__, url_prefix="/registers/<register>/proofs")
blueprint.after_request(answers.allow_everyone)


@blueprint.get("/register")
@public
def register_proof(register: str) -> Response:
    """Show the tree head and the number of entries below it."""
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    head = {"root-hash": heads.root_hash(found), "total-entries": found["size"]}
    return answers.answer(json.dumps(head))


@blueprint.get("/entries/<number>/<size>")
@public
def entry_proof(register: str, number: str, size: str) -> Response:
    """Show the audit path of an entry in the tree of the first ``size`` entries."""
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        total = answers.number_in_proof(size, 1, found["size"], "size of the log")
        wanted = answers.number_in_proof(number, 1, total, "entry number")
        path = trees.inclusion(session, found["id"], "v2", wanted, total)
    return _path(path)


@blueprint.get("/consistency/<old>/<new>")
@public
def consistency_proof(register: str, old: str, new: str) -> Response:
    """Show that the log of ``new`` entries only appended to the log of ``old`` entries."""
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        new_size = answers.number_in_proof(new, 1, found["size"], "newer size")
        old_size = answers.number_in_proof(old, 1, new_size, "older size")
        path = trees.consistency(session, found["id"], "v2", old_size, new_size)
    return _path(path)


def _only_json() -> None:
    answers.wanted(JSON)
    answers.check_query()


def _path(hashes: Sequence[bytes]) -> Response:
    body = json.dumps({"audit-path": [multihash(value) for value in hashes]})
    return answers.answer(body, cache=FOREVER)
