"""When to leave a failing provider alone, and when to try it again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

FAILURES_TO_OPEN = 2
PAUSE = timedelta(seconds=10)


@dataclass
class Breaker:
    """Counts failed calls in a row; open after some, then one call a pause tries again."""

    failures: int = 0
    next_try_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether calls pass."""
        return self.failures < FAILURES_TO_OPEN

    def may_try(self, now: datetime) -> bool:
        """Whether a pause of an open breaker is over: True for the one call that then tries."""
        if self.is_closed or (self.next_try_at is not None and now < self.next_try_at):
            return False
        self.next_try_at = now + PAUSE
        return True

    def record(self, now: datetime, *, failed: bool) -> None:
        """Learn from a call."""
        self.failures = self.failures + 1 if failed else 0
        self.next_try_at = None if self.is_closed else now + PAUSE
