"""The log as it happens (``GET /exchanges/stream``): server-sent events, outside Flask's threads.

One look at the database serves all viewers, and nobody looks when nobody views.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from a2wsgi import WSGIMiddleware
from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from gateway.asgi import AsgiApp, Message, Receive, Scope, Send
from gateway.exchanges import query
from gateway.exchanges.listing import Listing
from servicekit.database import Database
from servicekit.problems import InsufficientScope, Problem, Unavailable
from servicekit.tokens import Token, UnknownKey, Verifier, check_confirmation, credentials

logger = logging.getLogger(__name__)
PATH = "/exchanges/stream"
SCOPE, AUDIENCE = "exchanges.stream", "urn:atoll:gateway"
PAGE = 200
HELD = 2_000  # events waiting for a slow viewer; beyond, it is let go and may come back
HEARTBEAT_S = 15.0
RETRY_MS = 2_000


@dataclass(eq=False)
class _Viewer:
    check: Callable[[], Token]  # raises the Problem once the viewer may no longer watch
    waiting: asyncio.Queue[tuple[int, bytes]] = field(default_factory=lambda: asyncio.Queue(HELD))
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Stream:
    """An ASGI application that answers the stream itself and hands everything else on."""

    def __init__(
        self,
        mounted: WSGIMiddleware,
        database: Database,
        listing: Listing,
        verifier: Verifier,
        *,
        viewers: int = 64,
        every_s: float = 0.5,
        is_leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        self._mounted = cast("AsgiApp", mounted)
        self.app, self.executor = mounted.app, mounted.executor
        self._database, self._listing, self._verifier = database, listing, verifier
        self._most, self._every_s, self._is_leaving = viewers, every_s, is_leaving
        self._viewers: set[_Viewer] = set()
        self._poller: asyncio.Task[None] | None = None
        self._seen = 0
        self.looks = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == PATH and scope["method"] == "GET":
            await self._view(scope, receive, send)
        else:
            await self._mounted(scope, receive, send)

    async def start(self) -> None:
        """Do nothing until somebody views."""

    async def stop(self) -> None:
        """Let every viewer go."""
        self._let_go()
        if self._poller is not None:
            self._poller.cancel()

    def _let_go(self) -> None:
        for viewer in self._viewers:
            viewer.ended.set()

    async def _view(self, scope: Scope, receive: Receive, send: Send) -> None:
        token, last = self._token(scope), _last_event(scope)
        if len(self._viewers) >= self._most:
            raise Unavailable(
                f"{self._most} others are watching, which is as many as can. Try again shortly.",
                retry_after_s=10,
            )
        viewer = _Viewer(lambda: self._token(scope))
        self._viewers.add(viewer)
        try:
            await self._join()
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream; charset=utf-8"),
                        (b"cache-control", b"private, no-store"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            gone = asyncio.create_task(_hang_up(receive))
            try:
                await self._feed(viewer, token, last, gone, send)
            finally:
                gone.cancel()
        finally:
            self._viewers.discard(viewer)

    def _token(self, scope: Scope) -> Token:
        """Check the token as the gateway's other views do, whatever the door said."""
        headers = dict(scope["headers"])
        given = credentials(headers.get(b"authorization", b"").decode("latin-1") or None)
        try:
            token = self._verifier.verify(given.token, AUDIENCE, may_fetch=False)
        except UnknownKey:  # the door has just verified it, so the keys are on their way
            raise Unavailable("The keys are being fetched. Try again shortly.") from None
        proof = headers.get(b"atoll-proof")
        check_confirmation(token, given.scheme, proof.decode("latin-1") if proof else None)
        if SCOPE not in token.scopes:
            raise InsufficientScope(SCOPE)
        return token

    async def _join(self) -> None:
        """Start to look where nobody looked before; everything newer reaches all viewers."""
        if self._poller is None or self._poller.done():
            self._seen = await asyncio.to_thread(self._last)
            if self._poller is None or self._poller.done():
                self._poller = asyncio.create_task(self._poll())

    async def _feed(
        self,
        viewer: _Viewer,
        token: Token,
        last: int | None,
        gone: "asyncio.Task[None]",
        send: Send,
    ) -> None:
        sent = last if last is not None else self._seen
        await _say(send, f"retry: {RETRY_MS}\n: the exchange log from entry {sent} on\n\n".encode())
        while last is not None and not gone.done():  # what was missed, then what is new
            page = await asyncio.to_thread(self._page, sent)
            for number, event in page:
                await _say(send, event)
                sent = number
            if len(page) < PAGE:
                break
        ended = asyncio.create_task(viewer.ended.wait())
        try:
            while not (gone.done() or ended.done()):
                coming = asyncio.create_task(viewer.waiting.get())
                left_s = token.expires_at - time.time()
                await asyncio.wait(
                    {coming, gone, ended},
                    timeout=max(0.0, min(HEARTBEAT_S, left_s)),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not coming.done():
                    coming.cancel()
                    if left_s <= 0:
                        break  # the viewer comes back with a new token
                    await _say(send, b": still here\n\n")
                    continue
                number, event = coming.result()
                if number > sent:
                    await _say(send, event)
                    sent = number
        finally:
            ended.cancel()
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})

    async def _poll(self) -> None:
        while self._viewers:
            if self._is_leaving():  # they come back at once, to the process that takes over
                self._let_go()
                return
            for viewer in self._viewers:
                try:
                    viewer.check()
                except Unavailable:
                    continue
                except Problem:  # the token was revoked or has expired
                    viewer.ended.set()
            try:
                page = await asyncio.to_thread(self._page, self._seen)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("the log cannot be watched", extra={"error": str(error)})
                page = []
            for number, event in page:
                self._seen = number
                for viewer in self._viewers:
                    try:
                        viewer.waiting.put_nowait((number, event))
                    except asyncio.QueueFull:
                        viewer.ended.set()
            if len(page) < PAGE:
                await asyncio.sleep(self._every_s)

    def _page(self, after: int) -> list[tuple[int, bytes]]:
        self.looks += 1
        with self._database.snapshot() as session:
            rows = storage.list_exchanges(session, limit=PAGE, after=after)
        return [(row["number"], _event(self._listing, row)) for row in rows]

    def _last(self) -> int:
        with self._database.snapshot() as session:
            return storage.last_number(session)


def _last_event(scope: Scope) -> int | None:
    """Where the viewer goes on from: the header, or ``after`` where a page cannot set one."""
    headers, args = dict(scope["headers"]), dict(parse_qsl(scope["query_string"].decode("latin-1")))
    sent = headers.get(b"last-event-id", b"").decode("latin-1")
    found = {"Last-Event-ID": sent} if sent else {"after": args["after"]} if "after" in args else {}
    for name in found:
        return query.number(found, name)
    return None


def _event(listing: Listing, row: Mapping[str, Any]) -> bytes:
    shown = json.dumps(listing.show(row, with_subject=False), ensure_ascii=False)
    return f"id: {row['number']}\nevent: exchange\ndata: {shown}\n\n".encode()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Send, text: bytes) -> None:
    message: Message = {"type": "http.response.body", "body": text, "more_body": True}
    await send(message)
