"""Answers on ``::1`` too: Granian binds one address, and browsers try IPv6 loopback first."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)
HELD_BYTES = 256 * 1024
FINISH_WITHIN_S = 4.0


class Ipv6Loopback:
    """Relays connections from ``[::1]:port`` to ``127.0.0.1:port``, byte for byte."""

    def __init__(self, port: int | None, *, target_port: int | None = None) -> None:
        self._port, self._target_port = port, target_port or port or 0
        self._server: asyncio.Server | None = None
        self._sides: set[_Side] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, in every worker on the same port; a machine without IPv6 goes on without."""
        if self._port is None:
            return
        self._loop = asyncio.get_running_loop()
        try:
            self._server = await self._loop.create_server(
                lambda: _Side(self._sides, self._connect), "::1", self._port, reuse_port=True
            )
        except OSError as error:
            logger.info("not listening on IPv6 loopback", extra={"error": str(error)})

    async def stop(self) -> None:
        """Stop listening; let what is under way come to its end, for a while."""
        if self._server is None:
            return
        self._server.close()
        until = self._loop.time() + FINISH_WITHIN_S
        while self._sides and self._loop.time() < until:
            await asyncio.sleep(0.02)
        for side in list(self._sides):
            side.abort()

    def _connect(self, side: "_Side") -> None:
        task = self._loop.create_task(self._reach(side))
        self._connecting.add(task)  # the loop alone would let it be forgotten
        task.add_done_callback(self._connecting.discard)

    async def _reach(self, side: "_Side") -> None:
        try:
            await self._loop.create_connection(
                lambda: _Side(self._sides, side.meet), "127.0.0.1", self._target_port
            )
        except OSError:
            side.abort()


class _Side(asyncio.Protocol):
    """One of the two connections of a relay; it reads only while the other can take more.

    made: called when it stands; the caller's side then looks for the other one.
    """

    transport: asyncio.Transport

    def __init__(self, sides: "set[_Side]", made: "Callable[[_Side], None]") -> None:
        self._sides, self._made = sides, made
        self._other: _Side | None = None
        self._early: list[bytes] = []  # what came before there was another side
        self._gone = self._is_caller = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=HELD_BYTES)
        self._sides.add(self)
        self._made(self)

    def meet(self, other: "_Side") -> None:
        """Pass everything to that side from now on, and take everything from it."""
        if self._gone:
            other.abort()
            return
        self._is_caller = True
        self._other, other._other = other, self
        for data in self._early:
            other.transport.write(data)
        if sum(map(len, self._early)) > HELD_BYTES:
            self.transport.resume_reading()
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.transport.write(data)
            return
        before = sum(map(len, self._early))
        self._early.append(data)
        if before <= HELD_BYTES < before + len(data):
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        if self._other is None or not self._is_caller:
            return False  # closes this side, and connection_lost then the other
        with contextlib.suppress(OSError, RuntimeError):
            self._other.transport.write_eof()  # the caller may still read
        return True

    def pause_writing(self) -> None:
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._sides.discard(self)
        if self._other is not None:
            self._other.transport.close()  # after what is left to be written

    def abort(self) -> None:
        """End at once."""
        self.transport.abort()
