"""Services that say exactly the bytes a test wants, and a client's view of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.balance import Upstream
from gateway.connection import Answer
from gateway.forward import Limits, request_head
from tests.gateway.harness import listening

GET = request_head("GET", b"/x", [(b"host", b"x")])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def upstream(serve: Serve, **limits: float) -> AsyncIterator[Upstream]:
    async with listening(serve) as port:
        up = Upstream("registers", [("127.0.0.1", port)], Limits(**limits))  # type: ignore[arg-type]
        up.bind()
        yield up
        up.close()
        await asyncio.sleep(0)


def saying(*pieces: bytes, stay: bool = True, pause_s: float = 0) -> Serve:
    """A service that answers every request with these bytes, then stays or hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
                if not stay:
                    return

    return serve


async def whole(answer: Answer) -> bytes:
    await answer.head()
    body = b""
    while not answer.finished:
        body += await answer.read()
    return body


async def ask(up: Upstream, **options: bool) -> tuple[int, bytes]:
    answer = await up.send(GET, **options)
    body = await whole(answer)
    return answer.status, body
