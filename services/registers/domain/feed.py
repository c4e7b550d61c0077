"""The change feed: entries as events (server-sent events, HTML standard 9.2) and as webhooks."""

import base64
import hashlib
import hmac
import json
from typing import Any

from services.registers.domain import forms
from services.registers.domain.objecthash import multihash

SECRET_PREFIX = "whsec_"  # noqa: S105 (how Standard Webhooks marks a secret)
# how long a failed delivery waits before the next try, in seconds: given up after three days
BACK_OFF = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400)


def entry_document(
    number: int, seconds: int, key: str, blob_hash: bytes, content: str
) -> dict[str, Any]:
    """Return an entry with its item, as every kind of feed carries it."""
    return {
        "entry-number": number,
        "entry-timestamp": forms.timestamp(seconds),
        "key": key,
        "blob-hash": multihash(blob_hash),
        "item": json.loads(content),
    }


def event(number: int, kind: str, data: dict[str, Any]) -> bytes:
    """Write one server-sent event; its id is what Last-Event-ID will say."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {number}\nevent: {kind}\ndata: {text}\n\n".encode()


def message(register: str, document: dict[str, Any]) -> bytes:
    """Write the body of the webhook about one entry (Standard Webhooks, payload structure)."""
    body = {
        "type": "register.entry.appended",
        "timestamp": document["entry-timestamp"],
        "data": {"register": register, **document},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def message_id(subscription: str, number: int) -> str:
    """Return the id of the message about one entry: the same each time that it is sent."""
    return f"{subscription}.{number}"


def signature(secret: str, identifier: str, at: int, body: bytes) -> str:
    """Sign a message with a secret ``whsec_…`` (Standard Webhooks, symmetric signatures)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{identifier}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def wait_after(attempts: int) -> int | None:
    """Return how long to wait after so many failures in a row; None: give up."""
    return BACK_OFF[attempts - 1] if attempts <= len(BACK_OFF) else None
