"""The hot path: match a route, decide, forward, record. One call, read from top to bottom."""

import asyncio
import logging
import random
import time
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from urllib.parse import urlsplit

from gateway import incoming, page, policy, refusals
from gateway.asgi import AsgiApp, Message, Receive, Scope, Send
from gateway.connection import Answer
from gateway.consents import Feed
from gateway.exchanges.entry import Entry
from gateway.exchanges.writer import Writer
from gateway.forward import request_head
from gateway.headers import Headers, back, only_cookies, value_of
from gateway.incoming import Incoming
from gateway.listener import Listener
from gateway.purposes import Purposes
from gateway.refusals import CallerGone, too_large
from gateway.routing import Route, RouteTable
from gateway.settings import Settings
from gateway.upstreams import Upstreams
from servicekit import trace
from servicekit.clock import Clock
from servicekit.problems import BadGateway, Problem
from servicekit.tokens import Token, UnknownKey, Verifier, bearer

logger = logging.getLogger(__name__)
GATHERED_BYTES = 64 * 1024  # bodies up to this size are read before a service is troubled
MAX_CALLER = 255
_SAFE = frozenset(("GET", "HEAD"))


class Part(Protocol):
    """Something that lives as long as the application: a poller, the log's writer."""

    async def start(self) -> None:
        """Begin, on the running event loop."""

    async def stop(self) -> None:
        """End, leaving nothing behind."""


@dataclass(frozen=True)
class DataPlane:
    """The ASGI application: everything that comes through the door."""

    settings: Settings
    routes: RouteTable
    purposes: Purposes
    verifier: Verifier
    feed: Feed
    upstreams: Upstreams
    log: Writer
    own: AsgiApp
    clock: Clock
    parts: tuple[Part, ...]

    @cached_property
    def public(self) -> tuple[bytes, bytes]:
        """Scheme and host under which callers know the platform, whatever they wrote."""
        address = urlsplit(self.settings.public_url)
        return address.scheme.encode(), address.netloc.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or start and stop with the server."""
        if scope["type"] == "http":
            await Passage(self, scope, receive, send).answer()
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        for part in self.parts:
            await part.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for part in reversed(self.parts):
            await part.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Passage:
    """One call on its way through the door."""

    def __init__(self, plane: DataPlane, scope: Scope, receive: Receive, send: Send) -> None:
        self.plane, self.scope, self.receive, self.send = plane, scope, receive, send
        self.started_ns = time.perf_counter_ns()
        self.entry = Entry(
            exchange=_hex(24),
            at_ms=time.time_ns() // 1_000_000,
            trace="",
            method=scope["method"],
        )
        self.route: Route | None = None
        self.allowed: policy.Allow | None = None
        self.begun = False  # the caller has got status and headers
        self.recorded = False
        self.body_waits = True  # some of the caller's body may not have been read

    async def answer(self) -> None:
        """Let the call pass, or say why not; either way record it."""
        try:
            await self._pass()
        except Problem as problem:
            await self._say_no(problem)
        except Exception:
            logger.exception("the gateway failed", extra={"route": self.entry.route})
            await self._say_no(refusals.fault())
        if self.route is not None and not self.route.quiet and not self.recorded:
            self.plane.log.add(self._measured())

    async def _pass(self) -> None:
        plane, entry = self.plane, self.entry
        call = incoming.read(self.scope)
        self.body_waits = call.chunked or bool(call.body_bytes)
        hop = trace.parse(call.traceparent)
        hop = trace.Trace(hop.trace_id if hop else _hex(32), _hex(16))
        entry.trace = hop.trace_id

        match = plane.routes.match(call.method, call.path)
        route = self.route = match.route
        entry.service, entry.route = route.service, route.path
        if route.personal is None:
            entry.parameters = match.parameters or None

        token = await self._token(route, call)
        self._note(route, call, token)
        allowed = self.allowed = policy.decide(
            route,
            call,
            token,
            purposes=plane.purposes,
            consents=plane.feed.consents,
            fresh=plane.feed.is_fresh(),
            now=plane.clock.now(),
        )
        entry.basis, entry.subject = allowed.basis, allowed.subject

        limit = route.max_body_bytes or plane.settings.max_body_bytes
        body, is_whole = await self._body(call, limit)
        headers = self._headers(route, call, allowed, hop, body, is_whole)
        if match.has_slash:
            headers.append((b"atoll-path", call.path))  # WSGI shows a service the decoded one
        if route.service == "gateway":
            await self._ask_own(headers, body)
        else:
            await self._forward(route, call, headers, body, is_whole)

    async def _token(self, route: Route, call: Incoming) -> Token | None:
        """Verify the caller's token where the route looks at it, never blocking the loop."""
        if route.auth in ("none", "upstream"):
            return None
        if route.auth == "optional" and call.authorization is None:
            return None
        text, verifier = bearer(call.authorization), self.plane.verifier
        try:
            return verifier.verify(text, route.audience, may_fetch=False)
        except UnknownKey:
            return await asyncio.to_thread(verifier.verify, text, route.audience)

    def _note(self, route: Route, call: Incoming, token: Token | None) -> None:
        """Note who asks for what before the decision, so that a refusal is recorded in full."""
        entry = self.entry
        if token is not None:
            entry.caller = token.client_id
        if route.personal is None or token is None:
            return
        entry.personal, entry.categories = route.personal, route.categories
        entry.purpose = call.purpose if call.purpose in self.plane.purposes else None
        if call.consent in self.plane.feed.consents:
            entry.consent = call.consent
        asked = call.subject or (token.subject if token.is_person else None)
        entry.subject = asked if asked and len(asked) <= policy.MAX_IDENTIFIER else None

    async def _body(self, call: Incoming, limit: int) -> tuple[bytes, bool]:
        """Read a small body, or one without a declared length, in full; leave others to stream.

        WSGI services cannot read a body without a length, so one that comes in chunks is gathered.
        """
        length = call.body_bytes if not call.chunked else None
        if length == 0:
            return b"", True
        if length is not None and length > limit:
            raise too_large(limit)
        if length is not None and length > GATHERED_BYTES:
            return b"", False
        limit = limit if length is None else length
        body = bytearray()
        try:
            async with asyncio.timeout(self.plane.settings.idle_timeout_s):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise refusals.CallerGone("The caller hung up.")
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise too_large(limit)  # also where more came than was declared
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise refusals.RequestTimeout(
                "The body did not arrive in time. Send it again."
            ) from None
        self.body_waits = False
        return bytes(body), True

    def _headers(
        self,
        route: Route,
        call: Incoming,
        allowed: policy.Allow,
        hop: trace.Trace,
        body: bytes,
        is_whole: bool,
    ) -> Headers:
        """Write the headers that go on: the caller's own, then the door's."""
        scheme, host = self.plane.public
        headers = [
            (b"host", host),
            *call.headers,
            (b"atoll-gateway-key", self.plane.upstreams.keys[route.service]),
            (b"atoll-exchange", self.entry.exchange.encode()),
            (b"traceparent", hop.header().encode()),
            (b"x-forwarded-for", call.client.encode()),
            (b"x-forwarded-proto", scheme),
            (b"x-forwarded-host", host),
        ]
        if not is_whole:
            headers.append((b"content-length", str(call.body_bytes).encode()))
        elif body or call.method not in _SAFE:
            headers.append((b"content-length", str(len(body)).encode()))
        if allowed.caller:
            headers.append((b"atoll-caller", allowed.caller.encode()))
        if allowed.purpose:
            headers.append((b"atoll-purpose", allowed.purpose.code.encode()))
        if allowed.consent:
            headers.append((b"atoll-consent", allowed.consent.encode()))
        if allowed.subject:
            headers.append((b"atoll-subject", allowed.subject.encode()))
        if route.cookies and call.cookies:
            cookies = only_cookies(call.cookies, route.cookie_names)
            headers.append((b"cookie", cookies))
        return headers

    async def _forward(
        self,
        route: Route,
        call: Incoming,
        headers: Headers,
        body: bytes,
        is_whole: bool,
    ) -> None:
        """Send the call on and its answer back."""
        upstream = self.plane.upstreams[route.service]
        head = request_head(call.method, call.target, headers)
        answer = await upstream.send(
            head + body,
            is_head=call.method == "HEAD",
            sent=is_whole,
            safe=call.method in _SAFE and not body,
        )
        listener = Listener(self.receive, answer, None if is_whole else call.body_bytes)
        try:
            await answer.head()
            self.entry.status = answer.status
            if self.entry.caller is None:
                self.entry.caller = _caller(answer)
            if route.personal is None:
                await self._stream(route, answer)
            else:
                await self._hand_out(route, answer)
        finally:
            listener.stop()
            answer.abort()

    async def _stream(self, route: Route, answer: Answer) -> None:
        """Pass the answer on piece by piece, never holding more than the caller can take."""
        entry = self.entry
        await self._begin(answer.status, back(answer.headers, entry.exchange, route.cookie_names))
        while True:
            piece = await answer.read()
            ended = answer.finished
            entry.size_bytes += len(piece)
            await self.send({"type": "http.response.body", "body": piece, "more_body": not ended})
            if ended:
                return

    async def _hand_out(self, route: Route, answer: Answer) -> None:
        """Pass personal data on: whole, about the right person, and only once it is recorded."""
        limit = self.plane.settings.max_personal_bytes
        body = bytearray()
        while not answer.finished:
            body += await answer.read()
            if len(body) > limit:
                raise BadGateway(
                    f"{route.service} answered with more than a page of personal data."
                )
        if self._read_nothing(route, answer):
            self.entry.decline(refusals.sentence_of(answer.status, bytes(body)))
        self.entry.size_bytes = len(body)
        await self.plane.log.add_durably(copy(self._measured()))
        self.recorded = True
        await self._begin(
            answer.status, back(answer.headers, self.entry.exchange, route.cookie_names)
        )
        await self.send({"type": "http.response.body", "body": bytes(body)})

    def _read_nothing(self, route: Route, answer: Answer) -> bool:
        """Whether the service itself says no; throw away what is not about what was asked for."""
        subject = value_of(answer.headers, b"atoll-subject")
        categories = value_of(answer.headers, b"atoll-categories")
        if answer.status >= 400 and subject is None and categories is None:
            return True
        expected = self.allowed.subject if self.allowed else None
        named = set((categories or "").replace(",", " ").split())
        if subject is None or subject != expected or named != set(route.categories):
            logger.error(
                "a personal answer was thrown away: it is not about what was asked",
                extra={"route": route.path, "exchange": self.entry.exchange},
            )
            raise BadGateway(
                f"{route.service} did not say whose data its answer holds, or it is another "
                "person's. The answer was thrown away and the fault was logged."
            )
        return False

    async def _ask_own(self, headers: Headers, body: bytes) -> None:
        """Let the gateway's own application answer."""
        entry = self.entry

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                await self._begin(
                    message["status"], back(message["headers"], entry.exchange, frozenset())
                )
            else:
                entry.size_bytes += len(message.get("body", b""))
                await self.send(message)

        await self.plane.own({**self.scope, "headers": headers}, receive, send)

    async def _begin(self, status: int, headers: Headers) -> None:
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def _say_no(self, problem: Problem) -> None:
        """Answer with a refusal; where an answer has begun, cut it, so that it reads as broken."""
        route, entry = self.route, self.entry
        by_door = self.allowed is None or isinstance(problem, refusals.LogUnavailable)
        entry.turn_away(
            problem,
            refused=by_door or (problem.status < 500 and not isinstance(problem, CallerGone)),
        )
        if route is None:
            logger.info("turned away", extra={"method": entry.method, "reason": problem.slug})
        if self.begun or isinstance(problem, CallerGone):
            return
        headers, body = refusals.render(
            problem,
            self.plane.settings.public_url,
            entry.exchange,
            route.errors if route else "problem",
            as_page=page.is_wanted(entry.method, self.scope["headers"]),
            close=self.body_waits,
        )
        entry.size_bytes = len(body)
        await self._begin(problem.status, headers)
        await self.send({"type": "http.response.body", "body": body})

    def _measured(self) -> Entry:
        self.entry.duration_us = (time.perf_counter_ns() - self.started_ns) // 1000
        return self.entry


def _hex(digits: int) -> str:
    """Return a number that names something and protects nothing, without a system call."""
    return f"{random.getrandbits(4 * digits):0{digits}x}"


def _caller(answer: Answer) -> str | None:
    """Return who called, as the service that checked the credentials itself says."""
    caller = value_of(answer.headers, b"atoll-caller")
    return caller if caller and caller.isprintable() and len(caller) <= MAX_CALLER else None
