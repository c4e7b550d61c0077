"""Calls that match no declared address: counted together, so that a flood of them fills no log."""

import asyncio
import logging
from collections import Counter

logger = logging.getLogger(__name__)
EVERY_S = 10.0


class Unrouted:
    """Counts by the reason of the refusal, of which there are few, and says them now and then.

    They are no exchanges (no service, route or caller is known), so they are not in the log.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._told: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self.calls: Counter[str] = Counter()

    def add(self, reason: str) -> None:
        """Count one call."""
        self.calls[reason] += 1

    async def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._tell_now_and_then())

    async def stop(self) -> None:
        """Tell what is left."""
        if self._task is not None:
            self._task.cancel()
        self.tell()

    async def _tell_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self.tell()

    def tell(self) -> None:
        """Write one line about the calls since the last one, if there were any."""
        new = self.calls - self._told
        if new:
            self._told = Counter(self.calls)
            logger.info("calls to no address", extra={"calls": new.total(), "reasons": dict(new)})
