"""A circuit breaker: whoever failed several times in a row is left alone for a moment.

closed: every call passes. open: none does, for a while that grows. half-open: one call may try; if
it is answered the circuit closes, if not it opens again.
"""

from typing import Literal

State = Literal["closed", "open", "half-open"]
FAILURES = 5
WAIT_S, LONGEST_S = 1.0, 8.0
TRIAL_S = 30.0  # a trial that ended without a verdict in this time is forgotten


class Breaker:
    """Counts the failures in a row of one instance. Times are seconds of one monotonic clock."""

    __slots__ = ("_failures", "_trial_at", "_until", "_wait_s", "gone", "opened")

    def __init__(self) -> None:
        self._failures = 0
        self._until: float | None = None
        self._wait_s = WAIT_S
        self._trial_at: float | None = None
        self.gone = False  # the last failure: nobody listened
        self.opened = 0  # how often, for the metrics

    @property
    def is_closed(self) -> bool:
        """Whether every call passes."""
        return self._until is None

    def state(self, now: float) -> State:
        """Return the state in words."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def lets_pass(self, now: float) -> bool:
        """Whether a call may go out now."""
        if self._until is None:
            return True
        tried = self._trial_at is not None and now - self._trial_at < TRIAL_S
        return now >= self._until and not tried

    def wait_s(self, now: float) -> float:
        """Return the seconds until a call may try."""
        return max(0.0, (self._until or now) - now)

    def take(self, now: float) -> None:
        """A call goes out; where the circuit is half-open it is the one that tries."""
        if self._until is not None:
            self._trial_at = now

    def leave(self) -> None:
        """A call ended without telling anything about the service."""
        self._trial_at = None

    def succeed(self) -> None:
        """The service answered."""
        self._failures, self._until, self._trial_at, self._wait_s = 0, None, None, WAIT_S
        self.gone = False

    def fail(self, now: float, weight: int = 1, *, gone: bool = False) -> None:
        """The service could not be reached (gone), was silent too long or gave no answer."""
        self._failures += weight
        self.gone = gone
        self._trial_at = None
        if self._until is not None and now < self._until:
            return  # a call of before the circuit opened
        if self._until is not None:
            self._wait_s = min(self._wait_s * 2, LONGEST_S)
        if self._failures >= FAILURES:
            if self._until is None:
                self.opened += 1
            self._until = now + self._wait_s
