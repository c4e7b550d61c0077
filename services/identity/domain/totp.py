"""One-time codes from a shared secret and the time (RFC 6238: SHA-1, six digits, 30 seconds)."""

import base64
import hashlib
import hmac
from datetime import datetime

PERIOD_S = 30
DIGITS = 6
TOLERANCE = 1  # steps before and after the present one: clocks differ, people type slowly


def step_at(moment: datetime) -> int:
    """Return the number of the 30-second step that a moment lies in."""
    return int(moment.timestamp()) // PERIOD_S


def code_at(secret: str, step: int) -> str:
    """Return the code of one step. secret: base32, with or without padding."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F  # RFC 4226 section 5.3
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: str, code: str, moment: datetime, last_step: int | None) -> int | None:
    """Return the step whose code this is, or None.

    last_step: the step of the last accepted code; it and all before it are refused, so that a
    code that somebody saw cannot be used again (RFC 6238 section 5.2).
    """
    given = "".join(code.split()).encode("utf-8", "replace")
    found = None
    for step in steps_near(moment):
        same = hmac.compare_digest(code_at(secret, step).encode(), given)
        if same and (last_step is None or step > last_step):
            found = step
    return found


def unused_step(moment: datetime, last_step: int | None) -> int | None:
    """Return the step whose code would be accepted now and longest, or None: wait for the next."""
    present = step_at(moment)
    for step in (present, present + 1):
        if last_step is None or step > last_step:
            return step
    return None


def steps_near(moment: datetime) -> range:
    """Return the steps whose codes are accepted at a moment."""
    present = step_at(moment)
    return range(max(present - TOLERANCE, 0), present + TOLERANCE + 1)
