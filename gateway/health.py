"""How the services are: each instance's /readyz, looked at every two seconds."""

import asyncio
import logging
from typing import Any, Literal

from gateway.forward import Instance
from gateway.upstreams import Upstreams
from servicekit.problems import Problem

logger = logging.getLogger(__name__)
State = Literal["ready", "starting", "down"]
TICK_S = 0.05
_ORDER: tuple[State, ...] = ("ready", "starting", "down")


class Health:
    """Knows the state of every instance: ready, starting (it runs but cannot work yet) or down.

    A service is what its best instance is.
    """

    def __init__(self, upstreams: Upstreams, *, every_s: float = 2.0) -> None:
        self._upstreams, self._every_s = upstreams, every_s
        self._instances: dict[Instance, State] = {}
        self._due: dict[Instance, float] = {}
        self._probes: dict[Instance, asyncio.Task[None]] = {}
        self.states: dict[str, State] = dict.fromkeys(upstreams, "starting")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch every instance, each on its own so that none holds up the others."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        for task in (self._task, *self._probes.values()):
            if task is not None:
                task.cancel()

    def components(self) -> dict[str, dict[str, Any]]:
        """Return the state of every service and of its instances, without their addresses."""
        now = self._upstreams.now()
        return {
            name: {
                "state": self.states[name],
                "instances": [
                    {
                        "state": self._state(instance),
                        "circuit": instance.breaker.state(now),
                    }
                    for instance in self._upstreams[name].instances
                ],
            }
            for name in self._upstreams
        }

    def _state(self, instance: Instance) -> State:
        """Return what the last probe saw; an instance that has gone since is not ready."""
        if instance.breaker.gone and not instance.breaker.is_closed:
            return "down"
        return self._instances.get(instance, "starting")

    def _tell(self, name: str) -> None:
        found = {self._state(one) for one in self._upstreams[name].instances}
        state: State = next((state for state in _ORDER if state in found), "down")
        if state != self.states[name]:
            self.states[name] = state
            logger.info("a service changed", extra={"component": name, "state": state})

    async def _watch(self) -> None:
        while True:
            present = {
                one: name for name in self._upstreams for one in self._upstreams[name].instances
            }
            for gone in [one for one in self._instances if one not in present]:
                del self._instances[gone]
                self._due.pop(gone, None)
                self._tell(gone.name)
            now = self._upstreams.now()
            for name in self._upstreams:
                self._tell(name)  # a call may have found out before a probe does
            for instance, name in present.items():
                is_due = instance.breaker.gone or self._due.get(instance, 0) <= now
                if instance not in self._probes and is_due:
                    self._probes[instance] = asyncio.create_task(self._probe(name, instance))
            await asyncio.sleep(min(TICK_S, self._every_s / 4))

    async def _probe(self, name: str, instance: Instance) -> None:
        """Ask one instance whether it is ready; prefer those that are, spare those that are not."""
        try:
            status, _ = await self._upstreams.call(
                name, "GET", "/readyz", timeout_s=3, instance=instance
            )
            state: State = "ready" if status == 200 else "starting"
        except Problem:
            state = "down"
        before = self._instances.get(instance)
        if state == "down":
            instance.breaker.fail(self._upstreams.now(), weight=2)
        elif before == "down" or instance.breaker.gone:
            instance.breaker.succeed()  # whoever was gone is back
        self._instances[instance], instance.is_fit = state, state == "ready"
        self._due[instance] = self._upstreams.now() + self._every_s / (1 if state == "ready" else 4)
        self._probes.pop(instance, None)
        self._tell(name)
