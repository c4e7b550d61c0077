"""Reaching services that misbehave: nothing they send makes the door lie, leak or wait for ever."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.balance import Upstream
from gateway.connection import HIGH_BYTES
from gateway.forward import IDLE_KEEP_S, Limits, request_head
from gateway.refusals import CallerGone
from servicekit.problems import GatewayTimeout, Problem, Unavailable
from tests.gateway.harness import in_loop, listening
from tests.gateway.hostile import GET, OK, Serve, ask, saying, upstream, whole


@in_loop
async def test_a_connection_is_used_again() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await saying(OK)(reader, writer)

    async with upstream(serve) as up:
        for _ in range(5):
            assert await ask(up) == (200, b"ok")
        assert connections == 1


@in_loop
async def test_a_service_that_hangs_up_without_a_word_is_unavailable() -> None:
    async with upstream(saying(stay=False)) as up:
        with pytest.raises(Unavailable, match="Idempotency-Key"):
            await ask(up)


@in_loop
async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with listening(saying(OK)) as port:
        pass
    up = Upstream("registers", [("127.0.0.1", port)], Limits())
    up.bind()
    for _ in range(3):
        with pytest.raises(Unavailable, match="not running"):
            await ask(up)


def hanging_up_when_kept() -> tuple[Serve, list[bytes]]:
    """A service that answers once a connection and drops it at the second request."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.transport.abort()

    return serve, seen


@in_loop
async def test_a_read_is_sent_once_more_when_a_kept_connection_was_dead() -> None:
    serve, seen = hanging_up_when_kept()
    async with upstream(serve) as up:
        assert await ask(up, safe=True) == (200, b"ok")
        assert await ask(up, safe=True) == (200, b"ok")
        assert len(seen) == 3


@in_loop
async def test_a_write_is_never_sent_twice() -> None:
    serve, seen = hanging_up_when_kept()
    async with upstream(serve) as up:
        assert await ask(up) == (200, b"ok")
        with pytest.raises(Unavailable):
            await ask(up)
        assert len(seen) == 2


@in_loop
async def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")

    async with upstream(serve) as up:
        with pytest.raises(Unavailable):
            await ask(up, safe=True)
        assert connections == 1


@pytest.mark.parametrize(
    "said",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        OK + b"x",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\nbody where none belongs",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
    ],
)
@in_loop
async def test_a_connection_not_at_a_message_boundary_is_not_used_again(said: bytes) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await saying(said if connections == 1 else OK)(reader, writer)

    async with upstream(serve) as up:
        status, body = await ask(up)
        assert status in (200, 204, 304)
        assert body in (b"ok", b"")
        assert await ask(up) == (200, b"ok")
        assert connections == 2


@in_loop
async def test_bytes_that_come_late_on_a_kept_connection_spoil_it() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(0.05)
        if connections == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await reader.read()

    async with upstream(serve) as up:
        assert await ask(up) == (200, b"ok")
        await asyncio.sleep(0.1)
        assert await ask(up) == (200, b"ok")
        assert connections == 2


@in_loop
async def test_a_head_request_expects_no_body_and_ends_its_connection() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        said = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" if connections == 1 else OK
        await saying(said)(reader, writer)

    async with upstream(serve) as up:
        answer = await up.send(GET, is_head=True)
        assert await whole(answer) == b""
        assert await ask(up) == (200, b"ok")
        assert connections == 2


@in_loop
async def test_silence_ends_with_a_timeout() -> None:
    for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"):
        async with upstream(saying(said), idle_s=0.2) as up:
            sweeper = asyncio.create_task(sweep(up))
            with pytest.raises(GatewayTimeout):
                await ask(up)
            sweeper.cancel()


@in_loop
async def test_a_trickle_ends_with_the_total_limit() -> None:
    said = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 1000]
    async with upstream(saying(*said, pause_s=0.02), idle_s=0.2, total_s=0.4) as up:
        sweeper = asyncio.create_task(sweep(up))
        with pytest.raises(GatewayTimeout):
            await ask(up)
        sweeper.cancel()


async def sweep(up: Upstream) -> None:
    while True:
        await asyncio.sleep(0.02)
        up.sweep()


@in_loop
async def test_a_slow_reader_holds_little_and_loses_nothing() -> None:
    size, sent = 20 * HIGH_BYTES, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()
        await reader.read()

    async with upstream(serve, idle_s=0.1) as up:
        answer = await up.send(GET)
        await answer.head()
        await asyncio.sleep(0.3)
        up.sweep()  # silence on purpose is not silence
        assert answer.held_bytes < 3 * HIGH_BYTES
        assert sent < size
        assert len(await whole(answer)) == size


@in_loop
async def test_a_slow_service_makes_the_caller_wait() -> None:
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        await reader.readexactly(40 * 1024 * 1024)
        writer.write(OK)
        await reader.read()

    async with upstream(serve) as up:
        answer = await up.send(GET, sent=False)

        async def write_all() -> None:
            for _ in range(40):
                await answer.write(b"x" * 1024 * 1024)
            answer.sent = True

        writing = asyncio.create_task(write_all())
        await asyncio.sleep(0.2)
        assert not writing.done()
        release.set()
        assert await whole(answer) == b"ok"
        await writing


@in_loop
async def test_an_answer_before_the_bodys_end_is_passed_on_and_ends_the_connection() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await saying(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")(reader, writer)

    async with upstream(serve) as up:
        answer = await up.send(GET, sent=False)
        await whole(answer)
        assert answer.status == 413
        await answer.write(b"more")
        answer.sent = True
        await ask(up)
        assert connections == 2


@in_loop
async def test_giving_up_closes_the_connection_at_once() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set()

    async with upstream(serve) as up:
        answer = await up.send(GET)
        await answer.head()
        answer.abort()
        assert await answer.read() == b"ab"
        with pytest.raises(CallerGone):
            await answer.read()
        await ended.wait()
        assert not up.instances[0].busy


@in_loop
async def test_no_more_connections_than_allowed_and_nobody_waits_for_ever() -> None:
    most = now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        try:
            await saying(b"", OK, pause_s=0.01)(reader, writer)
        finally:
            now -= 1

    async with upstream(serve, connections=3) as up:
        answers = await asyncio.gather(*(ask(up) for _ in range(30)))
        assert answers == [(200, b"ok")] * 30
        assert most == 3
    async with upstream(saying(), connections=1, connect_s=0.1) as up:
        held = await up.send(GET)
        with pytest.raises(Unavailable, match="too much to do"):
            await ask(up)
        held.abort()
    async with upstream(saying(stay=False), connections=1) as up:
        for _ in range(3):  # a connection that died gives its place back
            with pytest.raises(Unavailable):
                await ask(up)


@in_loop
async def test_connections_kept_too_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(OK)(reader, writer)
        ended.set()

    async with upstream(serve) as up:
        await ask(up)
        up.sweep()
        assert not ended.is_set()
        later = up.now() + IDLE_KEEP_S + 1
        monkeypatch.setattr(up.instances[0], "now", lambda: later)
        up.sweep()
        await asyncio.wait_for(ended.wait(), 2)


@in_loop
async def test_a_restarted_service_is_reached_again() -> None:
    async with listening(saying(OK)) as port:
        up = Upstream("registers", [("127.0.0.1", port)], Limits())
        up.bind()
        assert await ask(up, safe=True) == (200, b"ok")
    await asyncio.sleep(0.05)
    with pytest.raises(Problem):
        await ask(up, safe=True)
    async with listening(saying(OK), port):
        assert await ask(up, safe=True) == (200, b"ok")
        up.close()
        await asyncio.sleep(0)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_no_header_brings_a_line_of_its_own(name: bytes, value: bytes) -> None:
    try:
        head = request_head("GET", b"/", [(b"host", b"x"), (name, value)])
    except ValueError:
        assert b"\r" in name + value or b"\n" in name + value
    else:
        assert head.count(b"\r") == head.count(b"\n") == 4
