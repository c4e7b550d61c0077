"""How the services are: each one's /readyz, looked at every two seconds."""

import asyncio
import logging
from typing import Literal

from gateway.upstreams import Upstreams
from servicekit.problems import Problem

logger = logging.getLogger(__name__)
State = Literal["ready", "starting", "down"]


class Health:
    """Knows the state of every service: ready, starting (it runs but cannot work yet) or down."""

    def __init__(self, upstreams: Upstreams, *, every_s: float = 2.0) -> None:
        self._upstreams, self._every_s = upstreams, every_s
        self.states: dict[str, State] = dict.fromkeys(upstreams, "starting")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch every service, each on its own so that none holds up the others."""
        self._tasks = [asyncio.create_task(self._watch(name)) for name in self._upstreams]

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()

    async def _watch(self, name: str) -> None:
        while True:
            state = await self.probe(name)
            if state != self.states[name]:
                logger.info("a service changed", extra={"component": name, "state": state})
            self.states[name] = state
            await asyncio.sleep(self._every_s if state == "ready" else self._every_s / 4)

    async def probe(self, name: str) -> State:
        """Ask one service whether it is ready."""
        try:
            status, _ = await self._upstreams.call(name, "GET", "/readyz", timeout_s=3)
        except Problem:
            return "down"
        return "ready" if status == 200 else "starting"
