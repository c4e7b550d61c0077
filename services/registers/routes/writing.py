"""What requests that change a register carry: Idempotency-Key, If-Match, a body in JSON."""

import json
import re
from collections.abc import Callable
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from servicekit.problems import Malformed
from services.registers import governing, minting
from services.registers.problems import IdempotencyKeyNeeded
from services.registers.routes.answers import JSON

TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
REASON = {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": r"\S"}
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TAG = re.compile(r'"([0-9a-f]{32})"')


def idempotency_key() -> str:
    """Return the header Idempotency-Key, or refuse the request."""
    text = request.headers.get("Idempotency-Key", "")
    if _IDEMPOTENCY_KEY.fullmatch(text) is None:
        raise IdempotencyKeyNeeded(
            "Send the header Idempotency-Key with a new random text (a UUID, 255 characters at "
            "most) for each request, and the same one when you repeat a request."
        )
    return text


def expected_tag() -> str | None:
    """Read If-Match: the ETag of how a register is kept."""
    text = request.headers.get("If-Match", "*").strip()
    if text == "*":
        return None
    match = _TAG.fullmatch(text)
    if match is None:
        raise Malformed("If-Match takes the ETag of the register's administration.")
    return match[1]


def once(
    session: Session,
    register_id: int,
    client: str,
    key: str,
    asked: object,
    act: Callable[[], dict[str, Any]],
) -> str:
    """Do what is asked for and return the answer, or return what its first request was told.

    The register is locked, so that a repeat waits for the first request.
    """
    digest = governing.digest_of(asked)
    told = minting.told_before(session, register_id, client, key, digest)
    if told is not None:
        return str(told.body)
    body = json.dumps(act(), ensure_ascii=False)
    governing.keep_answer(session, register_id, client, key, digest, body)
    return body


def answer(body: str, status: int, location: str | None = None) -> Response:
    """Answer a request that changed something."""
    response = Response(body.encode(), status, content_type=JSON)
    if location is not None:
        response.headers["Location"] = location
    return response
