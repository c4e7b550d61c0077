"""Appending an entry: for the custodian of a register, once for each Idempotency-Key."""

import json
import re
from typing import Any

from flask import Blueprint, Response, request

from servicekit.access import scope
from servicekit.problems import Malformed, TooLarge
from servicekit.schema import json_body
from services.registers import governing, minting, reviewing
from services.registers.domain import governance, objecthash
from services.registers.reviewing import By
from services.registers.routes import answers, roles, writing
from services.registers.routes.state import clock, database, register_or_404

blueprint = Blueprint("appending", __name__, url_prefix="/registers")

MAX_BODY_BYTES, MAX_BATCH_BYTES = 64 * 1024, 4 * 1024 * 1024
BODY = {
    "type": "object",
    "properties": {
        "item": {"type": "object"},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": minting.MAX_BATCH,
            "items": {"type": "object"},
        },
        "reason": writing.REASON,
    },
    "oneOf": [{"required": ["item"]}, {"required": ["items"]}],
    "additionalProperties": False,
}
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@blueprint.post("/<register>/entries")
@scope("registers.append")
def append(register: str) -> Response:
    """Append an item as the next entry, or several as the next entries; answer with the proof."""
    with database().snapshot() as session:
        found = register_or_404(session, register)
    roles.check_custodian(register, "appends to it")
    idempotency_key = writing.idempotency_key()
    expected = _expected()
    request.max_content_length = MAX_BATCH_BYTES
    body = json_body(BODY)
    if "item" in body:
        if len(request.get_data()) > MAX_BODY_BYTES:
            raise TooLarge(f"One item takes {MAX_BODY_BYTES} bytes at most. Send less.")
        items = [minting.check(found, body["item"])]
    else:
        items = minting.check_batch(found, body["items"])
    by, now = roles.by(), int(clock().now().timestamp())
    asked = minting.Asked(
        register,
        by.client_id,
        idempotency_key,
        items[0],
        items[1:],
        expected,
        body.get("reason", ""),
    )
    if governance.needs_review(found):
        return _propose(asked, by, now)
    with database().transaction() as session:
        told = minting.append_once(session, asked, now)
    location = answers.public_path(register, "entries", str(told.number))
    return writing.answer(told.body, 201, location)


def _propose(asked: minting.Asked, by: By, now: int) -> Response:
    with database().transaction() as session:
        head = governing.lock(session, asked.register)

        def act() -> dict[str, Any]:
            found = reviewing.propose_entries(session, head, asked, by, now)
            return {"proposal": reviewing.describe(session, head, found, by)}

        told = writing.once(
            session, head["id"], by.client_id, asked.idempotency_key, asked.digest.hex(), act
        )
    identifier = json.loads(told)["proposal"]["id"]
    return writing.answer(told, 202, answers.public_path(asked.register, "proposals", identifier))


def _expected() -> minting.Expected:
    """Read If-Match: the size of the log in quotes, or the ETag of the record to change."""
    text = request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return minting.Expected()
    tag = text.strip().removeprefix('"').removesuffix('"')
    if _SIZE.fullmatch(tag):
        return minting.Expected(size=int(tag))
    digest = objecthash.digest_of(tag.removesuffix(".csv"))
    if digest is None:
        raise Malformed(
            "If-Match takes the number of entries in quotes, or the ETag of the record."
        )
    return minting.Expected(blob_hash=digest)
