"""Appending an entry: for the custodian of a register, once for each Idempotency-Key."""

import re

from flask import Blueprint, Response, request

from servicekit import access
from servicekit.access import scope
from servicekit.problems import Malformed, TooLarge
from servicekit.schema import json_body
from services.registers import minting
from services.registers.domain import objecthash
from services.registers.problems import IdempotencyKeyNeeded, NotCustodian
from services.registers.routes import answers
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
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@blueprint.post("/<register>/entries")
@scope("registers.append")
def append(register: str) -> Response:
    """Append an item as the next entry, or several as the next entries; answer with the proof."""
    with database().snapshot() as session:
        found = register_or_404(session, register)
    token = access.token()
    if f"registers:custodian:{register}" not in token.roles:
        raise NotCustodian(
            f"Only the custodian of {register} appends to it. Your token has no role "
            f"registers:custodian:{register}."
        )
    idempotency_key = _idempotency_key()
    expected = _expected()
    request.max_content_length = MAX_BATCH_BYTES
    body = json_body(BODY)
    if "item" in body:
        if len(request.get_data()) > MAX_BODY_BYTES:
            raise TooLarge(f"One item takes {MAX_BODY_BYTES} bytes at most. Send less.")
        items = [minting.check(found, body["item"])]
    else:
        items = minting.check_batch(found, body["items"])
    asked = minting.Asked(register, token.client_id, idempotency_key, items[0], items[1:], expected)
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
