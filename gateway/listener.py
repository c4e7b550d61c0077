"""Hears what a caller does after the call began: sends more of the body, or hangs up."""

import asyncio

from gateway.asgi import Receive
from gateway.connection import Answer
from gateway.refusals import too_large

WATCH_AFTER_S = 0.1  # most answers are there sooner; only then is the caller watched


class Listener:
    """Watches over one call until ``stop``."""

    def __init__(self, receive: Receive, answer: Answer, body_limit: int | None) -> None:
        self._receive, self._answer = receive, answer
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if body_limit is None:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._watch)
        else:
            self._task = self._loop.create_task(self._feed(body_limit))

    def stop(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _watch(self) -> None:
        self._task = self._loop.create_task(self._wait_for_end())

    async def _wait_for_end(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._answer.abort()

    async def _feed(self, limit: int) -> None:
        """Pass the body on as it comes, at the service's pace."""
        answer, size, more = self._answer, 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                answer.abort()
                return
            piece = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(piece)
            if size > limit:
                answer.abort(too_large(limit))
                return
            if piece:
                await answer.write(piece)
        answer.sent = True
        await self._wait_for_end()
