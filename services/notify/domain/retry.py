"""When to try again, and when to give up."""

from collections.abc import Callable
from datetime import timedelta

_STEP_S = 5
_LONGEST_S = 15 * 60
GIVE_UP_AFTER = {
    "sms": timedelta(hours=4),
    "email": timedelta(hours=24),
    "letter": timedelta(hours=24),
}


def delay(attempts: int, age: timedelta, channel: str, jitter: Callable[[], float]) -> float | None:
    """Return seconds until the next try after so many attempts, or None to give up.

    Exponential with full jitter: a random moment within min(2^attempts x 5 s, 15 min).
    jitter: returns a number from 0 to 1.
    """
    if age >= GIVE_UP_AFTER[channel]:
        return None
    return float(min(_STEP_S * 2 ** min(attempts, 10), _LONGEST_S)) * jitter()
