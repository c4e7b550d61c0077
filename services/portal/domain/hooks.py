"""Webhooks that a developer has sent to a temporary address: their bounds and their signatures.

Signatures are those of Standard Webhooks (symmetric, version 1), which notify's callbacks and the
registers' subscriptions carry.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

LIFE_S = 24 * 3600
KEPT = 20  # deliveries of one inbox; older ones make room
A_MINUTE = 60  # deliveries that one inbox takes
MAX_BODY_BYTES, MAX_HEADERS, MAX_HEADER_BYTES = 16_384, 60, 2_048
OF_ONE_PERSON, OF_ALL = 3, 200
SECRET_PREFIX = "whsec_"  # noqa: S105 (what all signing keys of Standard Webhooks begin with)
MAX_SECRET = 200
TOLERANCE_S = 300
# what the door adds for this service, and what only matters between two machines
_NOT_SENT = ("atoll-", "x-forwarded-", "forwarded", "connection", "host", "transfer-encoding")

Verdict = Literal["good", "unsigned", "old", "bad"]


@dataclass(frozen=True)
class Delivery:
    """One POST as it arrived; ``headers`` in the order in which they came."""

    number: int
    at: int  # seconds since 1970
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value, empty when it is missing."""
        return next((value for given, value in self.headers if given.lower() == name), "")

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are marked."""
        return self.body.decode("utf-8", "replace")

    def raw(self) -> str:
        """Return headers and body as one text."""
        head = "".join(f"{name}: {value}\n" for name, value in self.headers)
        return f"{head}\n{self.text}"


def kept_headers(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the sender's own headers, cut to what is kept."""
    own = [
        (name[:100], value[:MAX_HEADER_BYTES])
        for name, value in given
        if not name.lower().startswith(_NOT_SENT)
    ]
    return tuple(own[:MAX_HEADERS])


def key_of(secret: str) -> bytes | None:
    """Return the key in a secret ``whsec_…``; None for anything else."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if 16 <= len(key) <= 96 else None


def verdict(key: bytes, delivery: Delivery) -> Verdict:
    """Say whether a delivery is signed with the key and was sent within five minutes.

    Any one of the signatures in the header is enough, as while a sender changes its secret.
    """
    identifier, at = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    signatures = delivery.header("webhook-signature").split()
    if not (identifier and at and signatures):
        return "unsigned"
    signed = f"{identifier}.{at}.".encode("utf-8", "replace") + delivery.body
    mac = hmac.digest(key, signed, hashlib.sha256)
    expected = b"v1," + base64.b64encode(mac)
    if not any(hmac.compare_digest(expected, one.encode()) for one in signatures):
        return "bad"
    sent = int(at) if at.isascii() and at.isdecimal() and len(at) < 13 else 0
    return "good" if abs(delivery.at - sent) <= TOLERANCE_S else "old"


def packed(headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """Return a delivery's content as JSON holds it."""
    return {"headers": list(headers), "body": base64.b64encode(body).decode()}


def unpacked(number: int, at: int, content: Mapping[str, Any]) -> Delivery:
    """Return the delivery that ``packed`` content belongs to."""
    headers = tuple((str(name), str(value)) for name, value in content["headers"])
    return Delivery(number, at, headers, base64.b64decode(content["body"]))
