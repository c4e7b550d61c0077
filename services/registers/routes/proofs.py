"""Proofs over a register's log: tree head, inclusion and consistency (RFC 6962 section 2.1).

Version 2 has them under ``proofs``, version 1 under ``v1/proof``; each has its own tree.
"""

from flask import Blueprint, Response, json

from servicekit.access import public
from services.registers.domain.canonical import write_hash
from services.registers.domain.forms_v1 import PROOF_IDENTIFIER
from services.registers.domain.objecthash import multihash
from services.registers.routes import answers
from services.registers.routes.answers import FOREVER, JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, trees
from services.registers.storage.trees import Tree

blueprint = Blueprint("proofs", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)


@blueprint.get("/proofs/register")
@public
def register_proof(register: str) -> Response:
    """Show the tree head and the number of entries below it."""
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    head = {"root-hash": heads.root_hash(found), "total-entries": found["size"]}
    return answers.answer(json.dumps(head))


@blueprint.get("/proofs/entries/<number>/<size>")
@blueprint.get("/proofs/entry/<number>/<size>", endpoint="entry_proof_as_rfc_23")
@public
def entry_proof(register: str, number: str, size: str) -> Response:
    """Show the audit path of an entry in the tree of the first ``size`` entries."""
    _, path = _audit_path("v2", register, number, size)
    return _proof({"audit-path": [multihash(value) for value in path]})


@blueprint.get("/proofs/consistency/<old>/<new>")
@public
def consistency_proof(register: str, old: str, new: str) -> Response:
    """Show that the log of ``new`` entries only appended to the log of ``old`` entries."""
    path = _consistency("v2", register, old, new)
    return _proof({"audit-path": [multihash(value) for value in path]})


@blueprint.get("/v1/proof/register/merkle:sha-256")
@public
def register_proof_v1(register: str) -> Response:
    """Show the head of version 1's tree and the number of entries below it."""
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    head = {
        "proof-identifier": PROOF_IDENTIFIER,
        "root-hash": write_hash(heads.root_v1(found)),
        "total-entries": found["size"],
    }
    return answers.answer(json.dumps(head))


@blueprint.get("/v1/proof/entries/<number>/<size>/merkle:sha-256")
@public
def entry_proof_v1(register: str, number: str, size: str) -> Response:
    """Show the audit path of an entry in version 1's tree of the first ``size`` entries."""
    wanted, path = _audit_path("v1", register, number, size)
    return _proof(
        {
            "proof-identifier": PROOF_IDENTIFIER,
            "entry-number": str(wanted),
            "merkle-audit-path": [write_hash(value) for value in path],
        }
    )


@blueprint.get("/v1/proof/consistency/<old>/<new>/merkle:sha-256")
@public
def consistency_proof_v1(register: str, old: str, new: str) -> Response:
    """Show in version 1's tree that the log of ``new`` entries only appended to the older one."""
    path = _consistency("v1", register, old, new)
    return _proof(
        {
            "proof-identifier": PROOF_IDENTIFIER,
            "merkle-consistency-nodes": [write_hash(value) for value in path],
        }
    )


def _audit_path(tree: Tree, register: str, number: str, size: str) -> tuple[int, list[bytes]]:
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        total = answers.number_in_proof(size, 1, found["size"], "size of the log")
        wanted = answers.number_in_proof(number, 1, total, "entry number")
        return wanted, trees.inclusion(session, found["id"], tree, wanted, total)


def _consistency(tree: Tree, register: str, old: str, new: str) -> list[bytes]:
    _only_json()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        new_size = answers.number_in_proof(new, 1, found["size"], "newer size")
        old_size = answers.number_in_proof(old, 1, new_size, "older size")
        return trees.consistency(session, found["id"], tree, old_size, new_size)


def _only_json() -> None:
    answers.wanted(JSON)
    answers.check_query()


def _proof(document: dict[str, object]) -> Response:
    return answers.answer(json.dumps(document), cache=FOREVER)
