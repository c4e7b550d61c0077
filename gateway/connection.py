"""One connection to a service and the one answer it carries at a time: HTTP/1.1, strictly.

It believes nothing that is not exactly an HTTP/1.1 answer with a known length, holds little for a
slow caller, and is never used again unless it stands between two messages.
"""

import asyncio
from math import inf
from typing import TYPE_CHECKING

import httptools

from gateway.headers import Headers
from gateway.refusals import CallerGone
from servicekit.problems import BadGateway, GatewayTimeout, Problem

if TYPE_CHECKING:
    from gateway.balance import Upstream
    from gateway.forward import Instance

HIGH_BYTES = 256 * 1024  # held for a slow caller before the service is asked to wait
HEAD_BYTES = 32 * 1024
INTERIM_ANSWERS = 5
_NO_BODY = frozenset((204, 304))


class Gone(Exception):
    """The connection ended before any byte of an answer came."""


class Answer:
    """One answer on its way: its head, then its body piece by piece."""

    def __init__(
        self,
        upstream: "Upstream",
        request: bytes,
        *,
        is_head: bool,
        sent: bool,
        retry: bool,
        only: "Instance | None" = None,
        unbounded: bool = False,
    ) -> None:
        self.status = 0
        self.headers: Headers = []
        self.head_done = False
        self._arrived = False  # the whole answer is here
        self.is_head = is_head
        self.sent = sent  # the whole request is on its way
        self.deadline = inf if unbounded else upstream.now() + upstream.limits.total_s
        self.held_bytes = 0
        self._upstream, self._request, self._retry, self._only = upstream, request, retry, only
        self._tried: list[Instance] = []
        self._pieces: list[bytes] = []
        self._fault: Problem | Gone | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._connection: Connection | None = None

    # -- for the data plane

    @property
    def finished(self) -> bool:
        """Whether the whole answer has come and been read."""
        return self._arrived and not self._pieces

    @property
    def uploads(self) -> bool:
        """Whether the request's body is still on its way."""
        return not (self.sent or self._arrived or self._fault)

    async def start(self, *, fresh: bool = False) -> None:
        """Send the request over a kept or a new connection."""
        while True:
            instance = self._only or self._upstream.choose(self._tried)
            connection = await self._upstream.connect(
                instance, fresh=fresh, judged=self._only is None
            )
            if connection is not None:
                break
            self._tried.append(instance)  # nothing was sent, so another may have any request
            if self._only is not None:
                raise instance.down()
        self._instance = instance
        self._retry = self._retry and (connection.used or self._upstream.has_other(instance))
        self._connection = connection
        if isinstance(self._fault, Problem):  # given up while the connection was being made
            self._judge(self._fault, connection)
            connection.drop()
        else:
            connection.begin(self, self._request)

    async def head(self) -> None:
        """Wait for status and headers; raise the Problem when there will be none.

        A safe request that a kept connection or one of several instances dropped without a word
        is sent once more, over a new connection.
        """
        while not self.head_done:
            if self._fault is None:
                await self._wait()
            elif isinstance(self._fault, Gone):
                if not self._retry:
                    raise self._instance.went_away()
                if self._upstream.has_other(self._instance):
                    self._tried.append(self._instance)
                await self._again()
            else:
                raise self._fault

    async def _again(self) -> None:
        self._fault = None
        await self.start(fresh=True)
        self._retry = False

    async def read(self) -> bytes:
        """Return the next piece of the body; empty only where there is no more."""
        while not self._pieces and not self._arrived:
            if self._fault is not None:
                raise self._fault
            await self._wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self.held_bytes = [], 0
        if self._connection is not None:
            self._connection.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send a piece of the request's body, waiting while the service cannot take more."""
        if self._connection is not None and not self.sent:
            await self._connection.write(data)

    def abort(self, fault: Problem | None = None) -> None:
        """Give up: close the connection unless the answer is already complete."""
        if self._connection is not None:
            self._connection.fail(fault or CallerGone("The caller hung up."))

    # -- for the connection

    def begin(self, status: int) -> None:
        """Have status and headers: whatever they say, the service answers."""
        self.status, self.head_done = status, True
        if self._only is None:
            self._instance.breaker.succeed()
        self.wake()

    def add(self, piece: bytes) -> None:
        """Take a piece of the body from the connection."""
        self._pieces.append(piece)
        self.held_bytes += len(piece)
        self.wake()

    def finish(self) -> None:
        """Be complete; the connection is somebody else's now."""
        self._arrived, self._connection = True, None
        self.wake()

    def fail(self, fault: Problem | Gone) -> None:
        """Be broken."""
        connection, self._connection, self._fault = self._connection, None, fault
        if connection is not None:
            self._judge(fault, connection)
        self.wake()

    def _judge(self, fault: Problem | Gone, connection: "Connection") -> None:
        """Let the circuit breaker learn whether the service is to blame."""
        breaker = self._instance.breaker
        closed_while_idle = isinstance(fault, Gone) and connection.used
        late = isinstance(fault, GatewayTimeout) and self.head_done
        if self._only is not None:
            return
        if isinstance(fault, Gone | BadGateway | GatewayTimeout) and not closed_while_idle | late:
            breaker.fail(self._upstream.now())
        else:
            breaker.leave()

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = self._upstream.loop.create_future()
        await self._waiter


class Connection(asyncio.Protocol):
    """One connection to a service, carrying one exchange at a time."""

    transport: asyncio.Transport

    def __init__(self, instance: "Instance") -> None:
        self.used = False
        self.active_at = instance.now()
        self.answer: Answer | None = None
        self.reading_paused = False
        self._instance = instance
        self._parser = httptools.HttpResponseParser(self)
        self._can_keep = self._complete = False
        self._head_bytes = self._header_bytes = self._interim = 0
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=HIGH_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None:
            self.fail(self._instance.cut_off() if self._head_bytes else Gone())
        self.resume_writing()
        self._instance.forget(self)

    # -- the exchange

    def begin(self, answer: Answer, request: bytes) -> None:
        self.answer = answer
        self._head_bytes = self._header_bytes = self._interim = 0
        self._can_keep = self._complete = False
        self.active_at = self._instance.now()
        self._instance.busy.add(self)
        self.transport.write(request)

    async def write(self, data: bytes) -> None:
        self.active_at = self._instance.now()
        self.transport.write(data)
        if self._writable is not None:
            await self._writable

    def fail(self, fault: Problem | Gone) -> None:
        answer, self.answer = self.answer, None
        self.drop()
        if answer is not None:
            answer.fail(fault)

    def drop(self) -> None:
        """Close at once; never used again."""
        self._instance.discard(self)
        self.transport.abort()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writable = self._instance.loop.create_future()

    @property
    def writing_paused(self) -> bool:
        return self._writable is not None

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None
        self.active_at = self._instance.now()

    def resume_reading(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            self.active_at = self._instance.now()
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:
            self.drop()  # bytes that nobody asked for
            return
        self.active_at = self._instance.now()
        if not answer.head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if not answer.head_done and self._head_bytes > HEAD_BYTES:
                raise ValueError("the headers are too large")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError) as error:
            self._instance.unreadable(error)
            self._can_keep = False
            if not self._complete:
                self.fail(BadGateway(f"{self._instance.name} gave an answer that is not HTTP."))
                return
        if self._complete:
            self._settle(answer)
        elif answer.held_bytes > HIGH_BYTES and not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def _settle(self, answer: Answer) -> None:
        """Part with a complete answer; keep the connection only at a message boundary."""
        self.answer = None
        self._instance.busy.discard(self)
        if self._can_keep and answer.sent:
            self.used = True
            self.resume_reading()
            self._instance.release(self)
        else:
            self.drop()
        answer.finish()

    # -- what the parser finds; an error raised here makes feed_data raise

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("more bytes than one answer has")

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self.answer
        if answer is None or answer.head_done:
            return  # a trailer: nobody waits for it
        answer.headers.append((name.lower(), value))
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > HEAD_BYTES:
            raise ValueError("the headers are too large")

    def on_headers_complete(self) -> None:
        answer, status = self.answer, self._parser.get_status_code()
        if answer is None:
            return
        if status < 200:
            self._interim += 1
            if status < 100 or status == 101 or self._interim > INTERIM_ANSWERS:
                raise ValueError("an interim answer that was not asked for")
            answer.headers.clear()
            return
        if self._parser.get_http_version() != "1.1" or status > 599:
            raise ValueError("not an HTTP/1.1 answer")
        if answer.is_head:
            self._complete = True  # whatever its headers say, no body follows; do not keep it
        else:
            self._can_keep = self._parser.should_keep_alive()
            if status not in _NO_BODY:
                _check_length(answer.headers)
        answer.begin(status)

    def on_body(self, body: bytes) -> None:
        if self.answer is None or self._complete:
            raise ValueError("a body where none belongs")
        self.answer.add(body)

    def on_message_complete(self) -> None:
        if self.answer is not None and self.answer.head_done:
            self._complete = True


def _check_length(headers: Headers) -> None:
    """Refuse an answer that would end with the connection: its end cannot be told from a cut."""
    for name, value in headers:
        if name == b"content-length":
            return
        if name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                break
            return
    raise ValueError("an answer without a length")
