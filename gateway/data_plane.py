"""The hot path: match a route, decide, forward, record. One call, read from top to bottom."""

import asyncio
import logging
import random
import time
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from gateway import cors, incoming, page, personal, policy, refusals
from gateway.asgi import AsgiApp, Message, Receive, Scope, Send
from gateway.connection import Answer
from gateway.consents import Feed
from gateway.denials import ConsentUnknown
from gateway.exchanges.entry import Entry
from gateway.exchanges.writer import Writer
from gateway.forward import request_head
from gateway.headers import Headers, back, value_of
from gateway.incoming import Incoming
from gateway.listener import Listener
from gateway.onward import SAFE, read_body, write_headers
from gateway.operations import Operations
from gateway.purposes import Purposes
from gateway.refusals import CallerGone
from gateway.routing import Match, Route, RouteTable
from gateway.rules import Part, Rules
from gateway.settings import Settings
from gateway.upstreams import Upstreams
from servicekit import trace
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.tokens import Credentials, Token, UnknownKey, Verifier, credentials

logger = logging.getLogger(__name__)
MAX_CALLER = 255
MAINTENANCE_S = 300


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
    rules: Rules
    parts: tuple[Part, ...]
    operations: Operations

    @cached_property
    def public(self) -> tuple[bytes, bytes]:
        """Scheme and host under which callers know the platform, whatever they wrote."""
        address = urlsplit(self.settings.public_url)
        return address.scheme.encode(), address.netloc.encode()

    @cached_property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may read more than what everyone may."""
        return frozenset(self.settings.cors_origins.replace(",", " ").split())

    def facts(self) -> policy.Facts:
        """What is known now, for a decision."""
        return policy.Facts(
            self.purposes,
            self.feed.consents,
            self.feed.is_fresh(),
            self.clock.now(),
            self.rules.directory.agreements,
            self.rules.statutes,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or start and stop with the server."""
        if scope["type"] == "http":
            await Passage(self, scope, receive, send).answer()
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await refusals.refuse_websocket(scope, send, self.settings.public_url)

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
        at_ms = time.time_ns() // 1_000_000
        self.entry = Entry(
            exchange=_named(at_ms, 24),
            at_ms=at_ms,
            trace="",
            method=scope["method"],
        )
        self.route: Route | None = None
        self.hop: trace.Trace | None = None
        self.parent: trace.Trace | None = None
        self.allowed: policy.Allow | None = None
        self.proof: str | None = None  # thumbprint of the key that the caller proved to hold
        self.begun = False  # the caller has got status and headers
        self.extra: Headers = []  # what the door adds to any answer: CORS, notices, limits
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
        self._close()

    def _close(self) -> None:
        """Count the call, and record it where that has not been done."""
        plane, route, entry = self.plane, self.route, self._measured()
        plane.operations.tallies.count(
            entry.service, entry.route, entry.status, entry.outcome, entry.duration_us
        )
        spans = plane.operations.spans
        if spans is not None and self.hop is not None and self.hop.sampled:
            spans.record(entry, self.hop, self.parent)
        if route is not None and not route.quiet and not self.recorded:
            plane.log.add(entry)

    async def _pass(self) -> None:
        plane, entry = self.plane, self.entry
        call = incoming.read(self.scope)
        self.body_waits = call.chunked or bool(call.body_bytes)
        hop = self._hop(call.traceparent)
        if call.origin is not None and cors.is_preflight(call):
            await self._preflight(call)
            return

        match = plane.routes.match(call.method, call.path)
        route = self.route = match.route
        entry.service, entry.route = route.service, route.path
        if route.personal is None:
            entry.parameters = match.parameters or None
        self.extra = [*route.notices, *cors.answer_headers(route, call.origin, plane.origins)]

        token = await self._token(route, call)
        self.extra += await plane.rules.limits.take(route, token, call.client)
        if route.maintenance is not None:
            raise refusals.Maintenance(route.maintenance, retry_after_s=MAINTENANCE_S)
        allowed = self.allowed = await self._decide(route, call, token)
        entry.basis, entry.subject = allowed.basis, allowed.subject

        limit = route.max_body_bytes or plane.settings.max_body_bytes
        body, is_whole = await read_body(self.receive, call, limit, plane.settings.idle_timeout_s)
        self.body_waits = not is_whole
        size = len(body) if is_whole else call.body_bytes
        has_body = bool(size) or call.method not in SAFE
        headers = self._headers(match, call, hop, size if has_body else None)
        if route.service == "gateway":
            await self._ask_own(headers, body)
        else:
            await self._forward(route, call, headers, body, is_whole)

    def _hop(self, traceparent: str | None) -> trace.Trace:
        """Go on with the caller's trace, or begin one."""
        before = self.parent = trace.parse(traceparent)
        if before is None:
            self.hop = trace.Trace(_named(self.entry.at_ms, 32), _hex(16))
        else:
            self.hop = trace.Trace(before.trace_id, _hex(16), before.sampled)
        self.entry.trace = self.hop.trace_id
        return self.hop

    async def _preflight(self, call: Incoming) -> None:
        """Say what a page of another origin may send; no service is asked."""
        match = self.plane.routes.match(cors.wanted_method(call), call.path)
        self.entry.service, self.entry.route = match.route.service, match.route.path
        headers = cors.preflight_headers(match.route, call, self.plane.origins)
        self.entry.status = 204
        await self._begin(204, [*headers, (b"atoll-exchange", self.entry.exchange.encode())])
        await self.send({"type": "http.response.body", "body": b""})

    async def _token(self, route: Route, call: Incoming) -> Token | None:
        """Verify the caller's token, and its key's proof, where the route looks at them."""
        if route.auth in ("none", "upstream"):
            return None
        if route.auth == "optional" and call.authorization is None:
            return None
        given = credentials(call.authorization)
        token = await self._verified(route, given)
        self._note(route, call, token)
        self.proof = await self.plane.rules.proofs.confirm(call, given, token)
        return token

    async def _verified(self, route: Route, given: Credentials) -> Token:
        """Verify a token, never blocking the loop."""
        verifier = self.plane.verifier
        try:
            return verifier.verify(given.token, route.audience, may_fetch=False)
        except UnknownKey:
            return await asyncio.to_thread(verifier.verify, given.token, route.audience)

    async def _decide(self, route: Route, call: Incoming, token: Token | None) -> policy.Allow:
        """Ask the policy; a consent that is not known may have been given this very moment."""
        try:
            return policy.decide(route, call, token, self.plane.facts())
        except ConsentUnknown:
            if token is None or not await self.plane.feed.catch_up():
                raise
            self._note(route, call, token)
            return policy.decide(route, call, token, self.plane.facts())

    def _note(self, route: Route, call: Incoming, token: Token) -> None:
        """Note who asks for what before the decision, so that a refusal is recorded in full."""
        entry = self.entry
        entry.take_caller(token)
        if route.personal is None:
            return
        entry.personal, entry.categories = route.personal, route.categories
        entry.take_purpose(self.plane.purposes.get(call.purpose or ""))
        if call.consent in self.plane.feed.consents:
            entry.consent = call.consent
        asked = call.subject or (token.subject if token.is_person else None)
        entry.subject = asked if asked and len(asked) <= policy.MAX_IDENTIFIER else None

    def _headers(self, match: Match, call: Incoming, hop: trace.Trace, size: int | None) -> Headers:
        """Write the headers that go on; ``size``: the length of the body, None without one."""
        scheme, host = self.plane.public
        own = (
            (b"host", host),
            (b"atoll-gateway-key", self.plane.upstreams.keys[match.route.service]),
            (b"atoll-exchange", self.entry.exchange.encode()),
            (b"traceparent", hop.header().encode()),
            (b"x-forwarded-for", call.client.encode()),
            (b"x-forwarded-proto", scheme),
            (b"x-forwarded-host", host),
            *([(b"atoll-proof", self.proof.encode())] if self.proof else ()),
        )
        return write_headers(match, call, self.allowed or policy.EVERYONE, size, own)

    async def _forward(
        self,
        route: Route,
        call: Incoming,
        headers: Headers,
        body: bytes,
        is_whole: bool,
    ) -> None:
        """Send the call on and its answer back."""
        await self.plane.rules.faults.suffer(route.service)
        upstream = self.plane.upstreams[route.service]
        head = request_head(call.method, call.target, headers)
        answer = await upstream.send(
            head + body,
            is_head=call.method == "HEAD",
            sent=is_whole,
            safe=call.method in SAFE and not body,
            unbounded=route.stream,
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
        entry, asked = self.entry, self.allowed.subject if self.allowed else None
        body = await personal.gather(route, answer, self.plane.settings.max_personal_bytes)
        if personal.read_nothing(route, answer, asked, entry.exchange):
            entry.decline(refusals.sentence_of(answer.status, body))
        entry.size_bytes = len(body)
        await self.plane.log.add_durably(copy(self._measured()))
        self.recorded = True
        await self._begin(answer.status, back(answer.headers, entry.exchange, route.cookie_names))
        await self.send({"type": "http.response.body", "body": body})

    async def _ask_own(self, headers: Headers, body: bytes) -> None:
        """Let the gateway's own application answer."""
        entry = self.entry

        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return waiting.pop() if waiting else await self.receive()

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
        if self.plane.operations.leaving.is_set:
            headers.append((b"connection", b"close"))
        headers += self.extra
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
            self.plane.log.unrouted.add(problem.slug)
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


def _named(at_ms: int, digits: int) -> str:
    """Return a number that begins with the time: the log's indexes then grow at their end only."""
    return f"{at_ms:012x}{_hex(digits - 12)}"


def _caller(answer: Answer) -> str | None:
    """Return who called, as the service that checked the credentials itself says."""
    caller = value_of(answer.headers, b"atoll-caller")
    return caller if caller and caller.isprintable() and len(caller) <= MAX_CALLER else None
