"""Callbacks: when to try again, and how they are signed."""

import base64
import hashlib
import hmac
from collections.abc import Callable

# seconds after each failed attempt; after the last one it is a dead letter
BACK_OFF_S = (5, 30, 120, 600, 1800, 7200, 21600, 43200)
SECRET_PREFIX = "whsec_"  # noqa: S105 (what all signing keys of Standard Webhooks begin with)


def delay(attempts: int, jitter: Callable[[], float]) -> float | None:
    """Return seconds until the next attempt after so many, or None when that was the last.

    A random moment in the second half of the step, so that many do not come back at once.
    """
    if attempts > len(BACK_OFF_S):
        return None
    return BACK_OFF_S[attempts - 1] * (0.5 + jitter() / 2)


def may_help(status: int) -> bool:
    """Whether another attempt can have another answer: faults of the server, and too many calls."""
    return status >= 500 or status in (408, 425, 429)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` of Standard Webhooks (symmetric, version 1)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
