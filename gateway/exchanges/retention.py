"""How long the content of entries is kept: older ones are let go, their hashes stay."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from gateway.exchanges.entry import DAY_MS
from servicekit.clock import Clock
from servicekit.database import Database

logger = logging.getLogger(__name__)
BATCH = 2_000  # entries let go in one transaction, so that the writer never waits for long
EVERY_S = 3600.0


class Retention:
    """Lets go of what is older than the settings say, each kind by its own time.

    personal_days, ordinary_days: 0 keeps entries for ever.
    """

    def __init__(
        self, database: Database, clock: Clock, *, personal_days: int, ordinary_days: int
    ) -> None:
        self._database, self._clock = database, clock
        self._days = {True: personal_days, False: ordinary_days}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look every hour."""
        if any(self._days.values()):
            self._task = asyncio.create_task(self._look_every_hour())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()

    async def _look_every_hour(self) -> None:
        while True:
            try:
                while await asyncio.to_thread(self.let_go):
                    await asyncio.sleep(0.05)  # the writer's turn
            except (SQLAlchemyError, OSError) as error:
                logger.error("old entries could not be let go", extra={"error": str(error)})
            await asyncio.sleep(EVERY_S)

    def let_go(self) -> int:
        """Let go of at most one batch of each kind; return how many entries that were."""
        now_ms, gone = int(self._clock.now().timestamp() * 1000), 0
        for personal, days in self._days.items():
            if not days:
                continue
            with self._database.transaction() as session:
                gone += storage.erase(
                    session, f"older than {days} days", now_ms,
                    before_ms=now_ms - days * DAY_MS, personal=personal, limit=BATCH,
                )  # fmt: skip
        return gone
