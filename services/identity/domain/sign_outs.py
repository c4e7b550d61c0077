"""How long a sign-out is told to a client that does not answer."""

from datetime import timedelta
from enum import StrEnum

WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600)
)
LEASE = timedelta(seconds=60)  # a delivery that a killed process held comes due again after it


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


def wait_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many attempts, or None: it has failed for good."""
    return WAITS[attempts - 1] if attempts <= len(WAITS) else None
