"""The instructor's levers at the door: one service stopped, slowed down or broken for all callers.

Only in a demonstration (a start state on a loopback address). A lever is a row in the database, so
that every worker follows it within a second; it lets go by itself after ten minutes, and with
every reset. The door's own calls (health, feeds, keys, reset) are never touched.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.problems import BadGateway, Unavailable

logger = logging.getLogger(__name__)
Kind = Literal["stop", "slow", "break"]
KINDS: tuple[Kind, ...] = ("stop", "slow", "break")
LOOK_EVERY_S = 1.0
HOLDS_S = 600
MAX_DELAY_MS = 10_000
_LET_GO = "Let it go at /portal/teach, or wait: it lets go by itself after ten minutes."


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the calls of one service, until a time."""

    service: str
    kind: Kind
    delay_ms: int
    until: datetime


class Faults:
    """The levers that are pulled now, as this worker knows them."""

    def __init__(self, database: Database, clock: Clock, *, is_demonstration: bool) -> None:
        self._database, self._clock = database, clock
        self.is_demonstration = is_demonstration
        self.pulled: Mapping[str, Fault] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look at the levers, where there are any."""
        if self.is_demonstration:
            self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def suffer(self, service: str) -> None:
        """Let a call of this service suffer what its lever says; most have none."""
        fault = self.pulled.get(service)
        if fault is None or fault.until <= self._clock.now():
            return
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_ms / 1000)
        elif fault.kind == "stop":
            raise Unavailable(f"An instructor's lever stopped {service}. {_LET_GO}")
        else:
            raise BadGateway(f"An instructor's lever spoils every answer of {service}. {_LET_GO}")

    def pull(self, service: str, kind: str, delay_ms: int) -> Fault:
        """Pull one lever, in place of another of the same service, for all workers."""
        until = self._clock.now() + timedelta(seconds=HOLDS_S)
        with self._database.transaction() as session:
            until_ms = int(until.timestamp() * 1000)
            storage.keep_fault(session, service, kind, delay_ms, until_ms)
        self.read()
        return self.pulled[service]

    def undo(self, service: str | None = None) -> None:
        """Let one lever go, or all."""
        with self._database.transaction() as session:
            storage.drop_faults(session, service)
        self.read()

    def read(self) -> None:
        """Take up what the database says now, in any thread."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        with self._database.snapshot() as session:
            rows = storage.all_faults(session, now_ms)
        self.pulled = {row.service: fault_of(row) for row in rows}

    async def _follow(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.read)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("the levers cannot be read", extra={"error": str(error)})
            await asyncio.sleep(LOOK_EVERY_S)


def fault_of(row: storage.Fault) -> Fault:
    """Return a stored lever."""
    kind = next(kind for kind in KINDS if kind == row.kind)
    return Fault(row.service, kind, row.delay_ms, datetime.fromtimestamp(row.until_ms / 1000, UTC))
