"""One service and its instances: which of them a call goes to, and what is said when none can."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil

from gateway.connection import Answer, Connection
from gateway.forward import Instance, Limits, Unreachable
from servicekit.problems import Unavailable

logger = logging.getLogger(__name__)
Address = tuple[str, int]


class Upstream:
    """A service by its name: the least loaded of its working instances takes the next call."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]

    def __init__(self, name: str, addresses: Iterable[Address], limits: Limits) -> None:
        self.name, self.limits = name, limits
        self.instances = [Instance(name, address, limits) for address in addresses]
        self._leaving: list[Instance] = []
        self._uploads: set[Answer] = set()
        self._turn = 0

    def bind(self) -> None:
        """Belong to the running event loop."""
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        for instance in self.instances:
            instance.bind()

    def replace(self, addresses: Collection[Address]) -> None:
        """Have exactly these instances from now on; calls under way on others end in peace."""
        known = {instance.address: instance for instance in self.instances}
        if set(addresses) == set(known):
            return
        for address, instance in known.items():
            if address not in addresses:
                instance.retire()
                self._leaving.append(instance)
        fresh = [Instance(self.name, one, self.limits) for one in addresses if one not in known]
        for instance in fresh:
            instance.bind()
        self.instances = [one for address, one in known.items() if address in addresses] + fresh
        logger.info("instances changed", extra={"component": self.name, "count": len(addresses)})

    async def send(
        self,
        request: bytes,
        *,
        is_head: bool = False,
        sent: bool = True,
        safe: bool = False,
        only: Instance | None = None,
        unbounded: bool = False,
    ) -> Answer:
        """Start an exchange: ``request`` is the head and, where ``sent``, the whole body.

        safe: reading only, so that it may be sent again when a connection was dead. only: the
        instance asked, whatever its circuit breaker says. unbounded: a stream without a total
        time limit.
        """
        answer = Answer(
            self,
            request,
            is_head=is_head,
            sent=sent,
            retry=safe and sent,
            only=only,
            unbounded=unbounded,
        )
        if not sent:
            self._admit(answer)
        try:
            await answer.start()
        except BaseException:
            self._uploads.discard(answer)
            raise
        return answer

    def _admit(self, answer: Answer) -> None:
        """Let long bodies have half of the connections at most: whoever reads needs some too."""
        self._uploads = {one for one in self._uploads if one.uploads}
        if len(self._uploads) >= self.limits.connections * len(self.instances) // 2:
            raise Unavailable(f"{self.name} has too many uploads at once. Try again shortly.")
        self._uploads.add(answer)

    # -- for an answer on its way

    def choose(self, besides: Sequence[Instance] = ()) -> Instance:
        """Return the instance for the next call; raise Unavailable where there is none.

        Instances that are ready come first, then those with fewer calls, then each in turn.
        """
        if len(self.instances) == 1 and not besides and self.instances[0].breaker.is_closed:
            return self.instances[0]
        now, count, best = self.now(), len(self.instances), None
        self._turn += 1
        for step in range(count):
            instance = self.instances[(self._turn + step) % count]
            if instance in besides or not instance.breaker.lets_pass(now):
                continue
            rank = (not instance.is_fit, instance.load)
            if best is None or rank < best[0]:
                best = (rank, instance)
        if best is None:
            raise self._none_left(besides, now)
        best[1].breaker.take(now)
        return best[1]

    def has_other(self, instance: Instance) -> bool:
        """Whether another instance than this one takes calls."""
        if len(self.instances) == 1:
            return False
        now = self.now()
        return any(one is not instance and one.breaker.lets_pass(now) for one in self.instances)

    async def connect(
        self, instance: Instance, *, fresh: bool, judged: bool = True
    ) -> Connection | None:
        """Take a connection to an instance; None where it cannot be reached.

        judged: whether the circuit breaker learns of it.
        """
        try:
            return await instance.take(fresh=fresh)
        except Unreachable:
            if judged:
                instance.breaker.fail(self.now(), gone=True)
            return None
        except BaseException:  # nothing is known about the service: it is busy, or the caller left
            if judged:
                instance.breaker.leave()
            raise

    def _none_left(self, besides: Sequence[Instance], now: float) -> Exception:
        if besides:
            return besides[-1].down()
        if not self.instances:
            return Unavailable(f"{self.name} cannot be found in the network. Try again shortly.")
        wait_s = max(1, ceil(min(one.breaker.wait_s(now) for one in self.instances)))
        return Unavailable(
            f"{self.name} failed several times in a row, so calls to it are held back "
            f"for a moment. Try again in {wait_s} s.",
            retry_after_s=wait_s,
        )

    # -- time limits

    def sweep(self) -> None:
        """End what took too long; forget instances that have left."""
        for instance in [*self.instances, *self._leaving]:
            instance.sweep()
        self._leaving = [instance for instance in self._leaving if instance.busy]

    def close(self) -> None:
        """End every connection."""
        for instance in [*self.instances, *self._leaving]:
            instance.close()
