"""How much a service may send: calls a minute by type of key, messages a day by kind."""

import math
from collections.abc import Mapping

DEFAULTS: Mapping[str, int] = {
    "rate": 3000,
    "email": 250_000,
    "sms": 250_000,
    "international_sms": 100,
    "letter": 20_000,
}
IN_TRIAL = 50


def calls_a_minute(limits: Mapping[str, int]) -> int:
    """Return how many POSTs a minute one type of key may make."""
    return limits.get("rate", DEFAULTS["rate"])


def bucket_size(rate: int) -> int:
    """Return how many calls may come at once; they then come back at rate/60 a second."""
    return min(math.ceil(rate / 3) + 1, 1000)


def a_day(limits: Mapping[str, int], kind: str, *, in_trial: bool) -> int:
    """Return how many messages of a kind a service may send on one day (UTC)."""
    allowed = limits.get(kind, DEFAULTS[kind])
    return min(allowed, IN_TRIAL) if in_trial else allowed
