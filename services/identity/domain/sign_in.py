"""What a person types to sign in, and how long an account waits after wrong tries."""

from dataclasses import dataclass
from datetime import timedelta

FREE_FAILURES = 3
LONGEST_WAIT_S = 30  # somebody else's guesses must not keep a person out
FORGOTTEN_AFTER = timedelta(minutes=30)
# many people share a network (an island, a school): more is free there, and the wait stays short
NETWORK_FREE_FAILURES = 40
NETWORK_LONGEST_WAIT_S = 10
NETWORK_FORGIVES_ONE_EVERY = timedelta(seconds=20)
SET_UP_TRIES = 5  # wrong codes before something begun must be begun anew


@dataclass(frozen=True)
class Form:
    """What the person typed."""

    username: str = ""
    password: str = ""
    code: str = ""

    @property
    def account(self) -> str:
        """The name that attempts are counted under, however it is written."""
        return self.username.strip().lower()


def wait_after(failures: int) -> timedelta:
    """Return how long the next attempt must wait after so many failures in a row.

    Three are free, then 2, 4, 8, 16 and at most 30 seconds. At that pace a known password leaves
    a guesser about 70 codes in half an hour, each right with a chance of 3 in a million.
    """
    if failures < FREE_FAILURES:
        return timedelta()
    return timedelta(seconds=min(2 ** min(failures - FREE_FAILURES + 1, 10), LONGEST_WAIT_S))


def network_wait_after(failures: int) -> timedelta:
    """Return how long the next attempt from one network must wait after so many failures."""
    if failures < NETWORK_FREE_FAILURES:
        return timedelta()
    wait = 2 ** min(failures - NETWORK_FREE_FAILURES, 10)
    return timedelta(seconds=min(wait, NETWORK_LONGEST_WAIT_S))
