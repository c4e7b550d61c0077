"""Several instances of one service: who takes a call, who is left alone, who is found again."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.balance import Upstream
from gateway.breaker import FAILURES
from gateway.forward import Limits
from gateway.health import Health
from gateway.upstreams import Upstreams
from servicekit.problems import BadGateway, Unavailable
from tests.gateway.harness import Reply, Service, door, health_of, in_loop, listening, until
from tests.gateway.hostile import GET, OK, Serve, ask, saying, whole


@contextlib.asynccontextmanager
async def instances(*serves: Serve | None, **limits: float) -> AsyncIterator[Upstream]:
    """One service with an instance for each server; None: nobody listens there."""
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for serve in serves:
            if serve is None:
                async with listening(saying()) as port:
                    ports.append(port)
            else:
                ports.append(await stack.enter_async_context(listening(serve)))
        up = Upstream("registers", [("127.0.0.1", port) for port in ports], Limits(**limits))  # type: ignore[arg-type]
        up.bind()
        yield up
        up.close()
        await asyncio.sleep(0)


def counting(counts: list[int], at: int, reply: bytes = OK, stay: bool = True) -> Serve:
    """A server that counts its requests at one place of a list."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                counts[at] += 1
                writer.write(reply)
                if not stay:
                    return

    return serve


@in_loop
async def test_each_instance_takes_its_turn() -> None:
    counts = [0, 0, 0]
    async with instances(*(counting(counts, at) for at in range(3))) as up:
        for _ in range(30):
            assert await ask(up) == (200, b"ok")
    assert counts == [10, 10, 10]


@in_loop
async def test_the_least_loaded_takes_the_next_call() -> None:
    counts = [0, 0]
    async with instances(counting(counts, 0, b""), counting(counts, 1)) as up:
        held = [await up.send(GET) for _ in range(4)]
        await until(lambda: sum(counts) == 4)
        hung = counts[0]
        assert 1 <= hung <= 2
        for _ in range(10):  # the other is free as soon as it has answered
            await ask(up)
        assert counts[0] <= hung + 1
        for answer in held:
            answer.abort()


@pytest.mark.parametrize("safe", [True, False])
@in_loop
async def test_an_instance_that_cannot_be_reached_costs_no_call(safe: bool) -> None:
    counts = [0, 0]
    async with instances(None, counting(counts, 1)) as up:
        for _ in range(12):  # nothing was sent, so any request may go to the other
            assert await ask(up, safe=safe) == (200, b"ok")
        assert counts[1] == 12
        assert up.instances[0].breaker.state(up.now()) == "open"


@in_loop
async def test_a_read_that_one_instance_dropped_goes_to_another() -> None:
    counts = [0, 0]
    async with instances(counting(counts, 0, b"", stay=False), counting(counts, 1)) as up:
        for _ in range(8):
            assert await ask(up, safe=True) == (200, b"ok")
        assert counts[1] == 8
        assert counts[0] >= 1


@in_loop
async def test_a_write_that_one_instance_dropped_is_sent_nowhere_else() -> None:
    counts = [0, 0]
    async with instances(counting(counts, 0, b"", stay=False), counting(counts, 1)) as up:
        refused = 0
        for _ in range(8):
            try:
                await ask(up)
            except Unavailable:
                refused += 1
        assert refused == counts[0] >= 1
        assert counts[0] + counts[1] == 8


@in_loop
async def test_a_service_that_fails_is_left_alone_and_tried_again() -> None:
    counts = [0]
    async with instances(counting(counts, 0, b"garbage\r\n\r\n", stay=False)) as up:
        for _ in range(5):
            with pytest.raises(BadGateway):
                await ask(up)
        for _ in range(20):
            with pytest.raises(Unavailable, match="held back") as refused:
                await ask(up)
        assert counts == [5]
        assert refused.value.headers["Retry-After"] == "1"
        later = up.now() + 1.1
        up.now = lambda: later
        tries = await asyncio.gather(*(ask(up) for _ in range(9)), return_exceptions=True)
        assert [type(fault) for fault in tries].count(BadGateway) == 1
        assert counts == [6]  # half-open: one call tries
        later += 2.1
        up.instances[0].breaker.take(later)
        up.instances[0].breaker.succeed()
        with pytest.raises(BadGateway):
            await ask(up)


@in_loop
async def test_instances_that_are_not_ready_are_spared() -> None:
    counts = [0, 0]
    async with instances(counting(counts, 0), counting(counts, 1)) as up:
        up.instances[0].is_fit = False
        for _ in range(6):
            await ask(up)
        assert counts == [0, 6]
        up.instances[1].is_fit = False  # nobody is ready: better one that may work than none
        for _ in range(6):
            await ask(up)
        assert counts == [3, 9]


@in_loop
async def test_uploads_cannot_take_every_connection() -> None:
    async with instances(saying(), connections=4) as up:
        held = [await up.send(GET, sent=False) for _ in range(2)]
        with pytest.raises(Unavailable, match="uploads"):
            await up.send(GET, sent=False)
        reading = await up.send(GET)
        for answer in (*held, reading):
            answer.abort()
        again = await up.send(GET, sent=False)
        again.abort()


@in_loop
async def test_instances_that_leave_finish_what_they_have(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(OK)
        await reader.read()

    counts = [0]
    async with instances(slow) as up, listening(counting(counts, 0)) as port:
        running = await up.send(GET)
        up.replace([("127.0.0.1", port)])
        assert await ask(up) == (200, b"ok")
        up.sweep()
        release.set()
        assert await whole(running) == b"ok"
        up.sweep()
        assert counts == [1]
        up.replace([])
        with pytest.raises(Unavailable, match="cannot be found"):
            await ask(up)


@in_loop
async def test_a_name_that_means_new_addresses_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, known, ports = [0, 0, 0], [0], []

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        if not known:
            raise socket.gaierror("no such name")
        assert host == "registers"
        places = [("127.0.0.1", ports[at]) for at in known]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

    async with contextlib.AsyncExitStack() as stack:
        for at in range(3):
            ports.append(await stack.enter_async_context(listening(counting(counts, at))))
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        upstreams = Upstreams(
            {"registers": [("registers", 8000)]}, {"registers": "k"}, Limits(), resolve_every_s=0.02
        )
        await upstreams.start()
        up = upstreams["registers"]
        assert [one.address for one in up.instances] == [("127.0.0.1", ports[0])]
        known += [1, 2]  # scaled up
        await until(lambda: len(up.instances) == 3)
        for _ in range(9):
            await ask(up)
        assert counts == [3, 3, 3]
        known.clear()  # the resolver is away: what was known goes on
        await asyncio.sleep(0.1)
        assert len(up.instances) == 3
        known += [2]
        await until(lambda: len(up.instances) == 1)
        await ask(up)
        assert counts == [3, 3, 4]
        await upstreams.stop()


@in_loop
async def test_a_second_instance_carries_on_when_one_dies(tmp_path: Path) -> None:
    spare = Service(lambda request: Reply())
    async with listening(spare.serve) as port, door(tmp_path, probe_every_s=0.05) as it:
        up = it.plane.upstreams["registers"]
        [first] = [one.address for one in up.instances]
        up.replace([first, ("127.0.0.1", port)])
        await until(lambda: health_of(it.plane)["registers"] == "ready")

        async def dying(request: Any) -> Reply:
            raise ConnectionError

        it.services["registers"].answer = dying
        answers = [await it.get("/registers") for _ in range(20)]
        assert [answer.status for answer in answers] == [200] * 20
        ready = await it.get("/readyz")
        assert ready.status == 200  # the service is up; one of its instances is not
        await until(lambda: not up.instances[0].is_fit)
        shown = (await it.get("/readyz")).json["components"]["registers"]["instances"]
        assert [one["state"] for one in shown] == ["down", "ready"]
        it.services["registers"].answer = functools.partial(lambda reply, _: reply, Reply())
        await until(lambda: up.instances[0].is_fit)
        assert up.instances[0].breaker.is_closed


@in_loop
async def test_a_service_that_comes_back_between_two_probes_is_ready_only_when_calls_pass(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, probe_every_s=60) as it:
        await until(lambda: health_of(it.plane)["registers"] == "ready")
        [instance] = it.plane.upstreams["registers"].instances
        for _ in range(FAILURES):
            instance.breaker.fail(it.plane.upstreams.now(), gone=True)
        [health] = [part for part in it.plane.parts if isinstance(part, Health)]
        assert health.components()["registers"]["instances"][0]["state"] == "down"
        await until(lambda: instance.breaker.is_closed)  # long before the next probe is due
        await until(lambda: health_of(it.plane)["registers"] == "ready")
        assert (await it.get("/registers/island/context")).status == 200
