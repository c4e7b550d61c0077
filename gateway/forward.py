"""How one instance of a service is reached: kept connections, bounded in number, time and memory.

Together with ``connection.py`` the only code that knows how a call gets to a service;
``balance.py`` chooses the instance.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.breaker import Breaker
from gateway.connection import Connection
from gateway.headers import Headers
from gateway.refusals import CallerGone, RequestTimeout
from servicekit.problems import BadGateway, GatewayTimeout, Problem, Unavailable

SWEEP_EVERY_S = 0.2
STALLED_S = 60.0  # a caller who takes nothing for so long keeps a connection for nothing
IDLE_KEEP_S = 15.0  # below the 30 s after which Granian closes an idle connection


@dataclass(frozen=True)
class Limits:
    """Seconds to connect, of silence and in total; connections to one service at most."""

    connect_s: float = 2.0
    idle_s: float = 20.0
    total_s: float = 300.0
    connections: int = 64


class Unreachable(Exception):
    """No connection could be made, so nothing was sent."""


def request_head(method: str, target: bytes, headers: Headers) -> bytes:
    """Write the start line and headers; a value that would bring a line of its own is refused."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
        raise ValueError("a header value holds a line break")
    return head


class Instance:
    """One instance of a service: its kept connections and its limits. Lives on one event loop.

    is_fit: whether its last health probe found it ready; such instances are taken first.
    """

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]

    def __init__(self, name: str, address: tuple[str, int], limits: Limits) -> None:
        self.name, self.limits, self.address = name, limits, address
        self.breaker = Breaker()
        self.is_fit = True
        self.busy: set[Connection] = set()
        self.last_fault: str | None = None
        self._retired = False
        self._idle: list[Connection] = []
        self._open = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    def bind(self) -> None:
        """Belong to the running event loop."""
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time

    @property
    def load(self) -> int:
        """How many calls it has: under way, connecting or waiting for a connection."""
        return self._open - len(self._idle) + len(self._queue)

    # -- the pool

    async def take(self, *, fresh: bool = False) -> Connection:
        """Return a connection between two messages; raise Unavailable or Unreachable."""
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not fresh and not connection.transport.is_closing():
                    return connection
                connection.drop()
            if self._open < self.limits.connections:
                return await self._connect()
            await self._turn()

    async def _connect(self) -> Connection:
        self._open += 1
        try:
            async with asyncio.timeout(self.limits.connect_s):
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self), *self.address
                )
        except BaseException as error:
            self._open -= 1
            self._next()
            if isinstance(error, OSError):  # TimeoutError is one
                raise Unreachable from None
            raise
        return connection

    async def _turn(self) -> None:
        place = self.loop.create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(self.limits.connect_s):
                await place
        except TimeoutError:
            raise Unavailable(f"{self.name} has too much to do. Try again shortly.") from None
        finally:
            if place in self._queue:
                self._queue.remove(place)

    def release(self, connection: Connection) -> None:
        """Keep a connection that is between two messages."""
        if self._retired:
            connection.drop()
            return
        self._idle.append(connection)
        self._next()

    def discard(self, connection: Connection) -> None:
        """Never hand this connection out again."""
        self.busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def forget(self, connection: Connection) -> None:
        """Count a connection as ended."""
        self.discard(connection)
        self._open -= 1
        self._next()

    def _next(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return

    def sweep(self) -> None:
        """End what took too long; close what was kept too long."""
        now, limits = self.now(), self.limits
        for connection in list(self.busy):
            silent_s = now - connection.active_at
            silent = silent_s > (STALLED_S if connection.reading_paused else limits.idle_s)
            answer = connection.answer
            if answer is None or not (silent or now > answer.deadline):
                continue
            if connection.reading_paused and silent:
                connection.fail(CallerGone("The caller took nothing of the answer for too long."))
            elif answer.sent or connection.writing_paused:
                connection.fail(
                    GatewayTimeout(f"{self.name} did not answer in time. Try again shortly.")
                )
            else:
                connection.fail(RequestTimeout("The rest of the body did not come. Send it again."))
        for connection in self._idle[:]:
            if now - connection.active_at > IDLE_KEEP_S:
                connection.drop()

    def retire(self) -> None:
        """Let the calls under way end; keep no connection any more."""
        self._retired = True
        for connection in self._idle[:]:
            connection.drop()

    def close(self) -> None:
        """End every connection."""
        for connection in [*self._idle, *self.busy]:
            connection.fail(self.down())

    # -- the ways it can go wrong, in words

    def down(self) -> Problem:
        """Say that it cannot be reached."""
        return Unavailable(f"{self.name} is not running or cannot be reached. Try again shortly.")

    def went_away(self) -> Problem:
        """Say that the service ended the connection without an answer."""
        return Unavailable(
            f"{self.name} stopped before it answered. It is not known whether the call took "
            "effect; send it again, with the same Idempotency-Key if it has one."
        )

    def cut_off(self) -> Problem:
        """Say that the service ended the connection within its answer."""
        return BadGateway(
            f"{self.name} ended the connection in the middle of its answer. Try again shortly."
        )

    def unreadable(self, error: Exception) -> None:
        """Remember why an answer could not be read, for the operator's log."""
        self.last_fault = str(error.__context__ or error)
