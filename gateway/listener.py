"""Hears what a caller does after the call began: sends more of the body, or hangs up."""

import asyncio

from gateway.asgi import Receive
from gateway.connection import Answer
from servicekit.problems import Malformed

WATCH_AFTER_S = 0.1  # most answers are there sooner; only then is the caller watched


class Listener:
    """Watches over one call until ``stop``.

    body_bytes: the length of a body to pass on meanwhile; None where none is left to come.
    """

    def __init__(self, receive: Receive, answer: Answer, body_bytes: int | None) -> None:
        self._receive, self._answer = receive, answer
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if body_bytes is None:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._watch)
        else:
            self._task = self._loop.create_task(self._feed(body_bytes))

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

    async def _feed(self, length: int) -> None:
        """Pass the body on as it comes, at the service's pace; it has the length declared."""
        answer, size, more = self._answer, 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                answer.abort()
                return
            piece = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(piece)
            if size > length or (not more and size != length):
                answer.abort(Malformed("The body does not have the length that was declared."))
                return
            if piece:
                await answer.write(piece)
        answer.sent = True
        await self._wait_for_end()
