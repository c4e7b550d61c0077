"""A gateway in this process, between scripted services on real sockets and an ASGI caller."""

import asyncio
import base64
import contextlib
import dataclasses
import functools
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway import storage
from gateway.app import create_app
from gateway.data_plane import DataPlane
from gateway.health import Health
from gateway.settings import Settings
from servicekit.database import Database
from tests.gateway.agreed import SERVICES, add_agreements
from tests.support.issuer import FakeIssuer

KEY = "k" * 64
SOAK = bool(os.environ.get("ATOLL_SOAK"))
LOG_KEY = base64.urlsafe_b64encode(b"l" * 32).decode()


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on an event loop of its own, for at most 20 seconds."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


async def until(holds: Callable[[], Any], within_s: float = 5) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


@dataclass
class Request:
    """A request as a service received it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        found = [value for given, value in self.headers if given.lower() == name.lower()]
        assert len(found) < 2, f"{name} arrived twice"
        return found[0] if found else None


@dataclass
class Reply:
    """What a scripted service answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()

    def to_bytes(self, *, bodyless: bool) -> bytes:
        pairs = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        lines = [f"HTTP/1.1 {self.status} Said"]
        lines += [f"{name}: {value}" for name, value in pairs]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if bodyless or self.status in (204, 304) else head + self.body


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None when the connection ends first."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *rest = head.decode("latin-1").split("\r\n")[:-2]
    headers = [(name, value) for name, _, value in (one.partition(": ") for one in rest)]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Request(line, headers, await reader.readexactly(length))


class Service:
    """A small HTTP/1.1 server that answers as a test says and remembers what it was asked."""

    def __init__(self, answer: Callable[[Request], Reply | Awaitable[Reply]] | None = None) -> None:
        self.answer = answer or (lambda request: Reply())
        self.requests: list[Request] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while request := await read_request(reader):
                self.requests.append(request)
                reply = self.answer(request)
                if not isinstance(reply, Reply):
                    reply = await reply
                writer.write(reply.to_bytes(bodyless=request.method == "HEAD"))
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], port: int = 0
) -> AsyncIterator[int]:
    """Run a server on a port of loopback, a free one if none is named; end it with the test."""
    tasks: set[asyncio.Task[None]] = set()

    async def track(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(track, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Answer:
    """What the caller got."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def header(self, name: str) -> str | None:
        found = [value for given, value in self.headers if given == name.encode()]
        assert len(found) < 2, f"{name} came twice"
        return found[0].decode("latin-1") if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """The problem's name, after checking the shape of RFC 9457."""
        assert self.header("content-type") == "application/problem+json", self
        assert self.json["status"] == self.status
        assert self.json["title"]
        assert self.json["detail"].endswith((".", "TOKEN."))
        return str(self.json["type"].rpartition("/")[2])


class Hangup:
    """A caller that hangs up when told to."""

    def __init__(self) -> None:
        self.event = asyncio.Event()


@dataclass
class Door:
    """A running gateway with its services."""

    plane: DataPlane
    services: dict[str, Service]
    issuer: FakeIssuer
    database: Database
    events: list[dict[str, Any]]
    epoch: list[str]
    address: str = "192.0.2.7"

    def caller(self, address: str) -> "Door":
        """The same door as another caller comes to it."""
        return dataclasses.replace(self, address=address)

    async def call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] = b"",
        *,
        hangup: Hangup | None = None,
        on_message: Callable[[Mapping[str, Any]], Any] | None = None,
    ) -> Answer:
        """Send one request as an ASGI server would hand it over."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        pieces = [body] if isinstance(body, bytes) else list(body)
        names = {name.lower() for name, _ in pairs}
        if any(pieces) and not names & {"content-length", "transfer-encoding"}:
            pairs.append(("Content-Length", str(sum(map(len, pieces)))))
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
            "client": [self.address, "4711"],
            "server": ["127.0.0.1", "8000"],
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        waiting = [
            {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
            for index, piece in enumerate(pieces)
        ]

        async def receive() -> dict[str, Any]:
            if waiting:
                await asyncio.sleep(0)
                return waiting.pop(0)
            await (hangup.event.wait() if hangup else asyncio.Event().wait())
            return {"type": "http.disconnect"}

        answer = Answer()

        async def send(message: Mapping[str, Any]) -> None:
            if on_message:
                on_message(message)
            if message["type"] == "http.response.start":
                assert not answer.status, "two answers"
                answer.status, answer.headers = message["status"], message["headers"]
            else:
                assert answer.status, "a body before its head"
                assert not answer.complete, "a body after its end"
                answer.body += message.get("body", b"")
                answer.complete = not message.get("more_body", False)

        await self.plane(scope, receive, send)
        return answer

    async def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.call("GET", target, headers or {})

    def asked(self, name: str) -> list[Request]:
        """The requests that a service got, without health probes and the gateway's own calls."""
        own = ("/readyz", "/identity/feed", "/identity/jwks")
        return [one for one in self.services[name].requests if one.path not in own]

    async def log(self) -> list[dict[str, Any]]:
        """The exchange log after everything so far was written, oldest first."""
        await asyncio.to_thread(self.plane.log.flush)
        with self.database.snapshot() as session:
            table = storage.Exchange.__table__
            rows = session.execute(select(table).order_by(table.c.number)).mappings()
            return [dict(row) for row in rows]

    def consent(self, **changes: Any) -> dict[str, Any]:
        """Add a consent to identity's feed."""
        event = {
            "n": len(self.events) + 1,
            "kind": "consent",
            "id": "consent-1",
            "subject": "person-1",
            "client_id": "fisheries",
            "purpose": "vessel-licence",
            "categories": ["contact"],
            "given_at": "2026-03-01T10:00:00Z",
            "until": "2127-03-01T10:00:00Z",
            "withdrawn_at": None,
        } | changes
        self.events.append(event)
        return event


def settings(database_url: str, ports: Mapping[str, int], **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "gateway_key": "g" * 64,
        "gateway_url": "http://gateway.example:8000",
        "upstreams": ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in ports.items()),
        "service_keys": json.dumps(dict.fromkeys(ports, KEY)),
        "log_key": LOG_KEY,
        "feed_every_s": 0.05,
        "flush_every_ms": 5,
        "probe_every_s": 0.2,
        "limit_factor": 1000.0,
    }
    return Settings(**values | changes)


def health_of(plane: DataPlane) -> dict[str, str]:
    """The states of the services as the gateway knows them."""
    [health] = [part for part in plane.parts if isinstance(part, Health)]
    return health.states


@contextlib.asynccontextmanager
async def door(
    folder: Path,
    answers: Mapping[str, Any] | None = None,
    *,
    issuer: FakeIssuer | None = None,
    identity_is_up: bool = True,
    **changes: Any,
) -> AsyncIterator[Door]:
    """Start a gateway; ``answers``: for a service, a Reply, a function, or a raw server."""
    answers = answers or {}
    issuer, events, epoch = issuer or FakeIssuer(), [], ["epoch-1"]

    def identity(request: Request) -> Any:
        if not identity_is_up:
            return Reply(503)
        if request.path == "/identity/jwks":
            return Reply(body=json.dumps(issuer.jwks()).encode())
        if request.path == "/identity/feed":
            after = int(request.target.partition("after=")[2])
            news = [event for event in events if event["n"] > after]
            page = {"epoch": epoch[0], "events": news, "last": len(events)}
            return Reply(body=json.dumps(page).encode())
        given = answers.get("identity", Reply())
        return given(request) if callable(given) else given

    database = Database(f"sqlite:///{folder / 'gateway.db'}")
    storage.metadata.create_all(database.engine)
    with database.transaction() as session:
        add_agreements(session)
    services: dict[str, Service] = {}
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for name in SERVICES:
            given = answers.get(name, Reply())
            if asyncio.iscoroutinefunction(given):
                ports[name] = await stack.enter_async_context(listening(given))
                continue
            answer = given if callable(given) else functools.partial(lambda reply, _: reply, given)
            services[name] = Service(identity if name == "identity" else answer)
            ports[name] = await stack.enter_async_context(listening(services[name].serve))
        plane = create_app(settings(str(database.engine.url), ports, **changes), database=database)
        stop, started, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not started.is_set():
                return {"type": "lifespan.startup"}
            await stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Mapping[str, Any]) -> None:
            (stopped if started.is_set() else started).set()

        life = asyncio.create_task(plane({"type": "lifespan"}, receive, send))
        await started.wait()
        try:
            await until(lambda: plane.feed.is_fresh() or not identity_is_up)
            yield Door(plane, services, issuer, database, events, epoch)
        finally:
            stop.set()
            await life
            assert stopped.is_set()
            plane.own.executor.shutdown()  # type: ignore[attr-defined]
            database.dispose()
