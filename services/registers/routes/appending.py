"""Appending an entry: for the custodian of a register, once for each Idempotency-Key."""

import re

from flask import Blueprint, Response, request

from servicekit import access
from servicekit.access import scope
from servicekit.schema import json_body
from services.registers import minting
from services.registers.problems import IdempotencyKeyNeeded, NotCustodian
from services.registers.routes import answers
from services.registers.routes.state import clock, database, register_or_404

blueprint = Blueprint("appending", __name__, url_prefix="/registers")

MAX_BODY_BYTES = 64 * 1024
BODY = {
    "type": "object",
    "required": ["item"],
    "properties": {"item": {"type": "object"}},
    "additionalProperties": False,
}
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@blueprint.post("/<register>/entries")
@scope("registers.append")
def append(register: str) -> Response:
    """Append an item as the register's next entry; answer with its proof."""
    with database().snapshot() as session:
        found = register_or_404(session, register)
    token = access.token()
    if f"registers:custodian:{register}" not in token.roles:
        raise NotCustodian(
            f"Only the custodian of {register} appends to it. Your token has no role "
            f"registers:custodian:{register}."
        )
    idempotency_key = _idempotency_key()
    request.max_content_length = MAX_BODY_BYTES
    item = minting.check(found, json_body(BODY)["item"])
    asked = minting.Asked(register, token.client_id, idempotency_key, item)
    with database().transaction() as session:
        told = minting.append_once(session, asked, int(clock().now().timestamp()))
    response = Response(told.body.encode(), 201, content_type=answers.JSON)
    response.headers["Location"] = answers.public_path(register, "entries", str(told.number))
    return response


def _idempotency_key() -> str:
    text = request.headers.get("Idempotency-Key", "")
    if _IDEMPOTENCY_KEY.fullmatch(text) is None:
        raise IdempotencyKeyNeeded(
            "Send the header Idempotency-Key with a new random text (a UUID, 255 characters at "
            "most) for each entry, and the same one when you repeat a request."
        )
    return text
