"""Who is responsible for a register, and the whole system log that tells how it came about."""

import json

from flask import Blueprint, Response, current_app

from servicekit import merkle
from servicekit.access import public
from servicekit.note import Checkpoint, Note, Signer
from services.registers.domain import governance, leaves, moments
from services.registers.domain.canonical import write_hash
from services.registers.routes import answers
from services.registers.routes.answers import JSON
from services.registers.routes.state import database, register_or_404
from services.registers.signing import Signing, origin
from services.registers.storage import system

blueprint = Blueprint("governance", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)


@blueprint.get("/governance")
@public
def show(register: str) -> Response:
    """Say who is responsible, with every entry of the system log and its signed tree head."""
    answers.wanted(JSON)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        rows = system.entries(session, found["id"])
    hashes = [
        merkle.leaf_hash(leaves.v1(row.number, row.key, row.timestamp, row.item_hash))
        for row in rows
    ]
    root = merkle.root(hashes)
    document = {
        "register": register,
        "state": found["state"],
        "review": bool(found["review"]),
        "governance": governance.of(found),
        "total-entries": len(rows),
        "root-hash": write_hash(root),
        "note": _note(register, len(rows), root),
        "entries": [
            {
                "entry-number": row.number,
                "entry-timestamp": moments.write(row.timestamp),
                "key": row.key,
                "item-hash": write_hash(row.item_hash),
                "item": json.loads(row.content),
            }
            for row in rows
        ],
    }
    return answers.answer(json.dumps(document, ensure_ascii=False))


def _note(register: str, size: int, root: bytes) -> str | None:
    """Sign the tree head of a system log, under a name of its own."""
    settings = current_app.config["ATOLL_SETTINGS"]
    if settings.log_key is None:
        return None
    name = f"{origin(settings.public_url, register, 'v2')}/system"
    signer = Signer(name, Signing.of(settings.log_key, settings.public_url).seed)
    return str(Note(Checkpoint(name, size, root).text).signed_by(signer))
