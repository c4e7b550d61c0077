"""The log as it happens: many viewers, one look at the database, nothing missed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.exchanges import stream as stream_module
from gateway.exchanges.stream import Stream
from tests.gateway.harness import Door, Hangup, door, in_loop, until


class Viewer:
    """Someone who watches, and what they have seen."""

    def __init__(self) -> None:
        self.text, self.status, self.ended = "", 0, False
        self.hangup = Hangup()

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)

    @property
    def seen(self) -> list[int]:
        return [int(line[4:]) for line in self.text.split("\n") if line.startswith("id: ")]

    @property
    def entries(self) -> list[dict[str, Any]]:
        lines = [line[6:] for line in self.text.split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def watching(
    it: Door,
    count: int = 1,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    **token: Any,
) -> AsyncIterator[list[Viewer]]:
    viewers = [Viewer() for _ in range(count)]
    credentials = it.issuer.headers("gateway", "exchanges.stream", **token) | dict(headers or {})
    tasks = [
        asyncio.create_task(
            it.call("GET", f"/exchanges/stream{query}", credentials,
                    hangup=one.hangup, on_message=one.take)
        )
        for one in viewers
    ]  # fmt: skip
    await until(lambda: all(one.text for one in viewers))
    try:
        yield viewers
    finally:
        for one in viewers:
            one.hangup.event.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)


def stream_of(it: Door) -> Stream:
    assert isinstance(it.plane.own, Stream)
    return it.plane.own


@in_loop
async def test_a_viewer_sees_what_happens_without_persons(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await it.get("/registers")
        await it.log()
        async with watching(it) as [viewer]:
            assert viewer.status == 200
            await it.get("/registers/vessel/context")
            await until(lambda: viewer.entries)
            [entry] = viewer.entries
            assert entry["route"] == "/registers/{register}/context"
            assert entry["caption"]["dv"]
            assert "subject" not in entry
            assert viewer.seen == [2]
            assert viewer.text.startswith("retry: ")


@in_loop
async def test_thirty_viewers_beside_ordinary_traffic_cost_one_look(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        async with watching(it, 30) as viewers:
            looks, begun = stream_of(it).looks, time.monotonic()
            answers = await asyncio.gather(*(it.get("/registers") for _ in range(200)))
            assert {one.status for one in answers} == {200}
            await until(lambda: all(len(one.seen) == 200 for one in viewers), 15)
            assert {tuple(one.seen) for one in viewers} == {tuple(range(1, 201))}
            took_s = time.monotonic() - begun
            assert stream_of(it).looks - looks <= took_s / 0.5 + 4
        await until(lambda: not stream_of(it)._viewers)


@in_loop
async def test_nobody_looks_when_nobody_views(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await it.get("/registers")
        await it.log()
        assert stream_of(it).looks == 0
        async with watching(it):
            pass
        poller = stream_of(it)._poller
        assert poller is not None
        await until(poller.done)
        looks = stream_of(it).looks
        await it.get("/registers")
        await it.log()
        assert stream_of(it).looks == looks
        async with watching(it) as [viewer]:  # and it looks again for the next one
            await it.get("/registers")
            await until(lambda: viewer.seen == [3])


@in_loop
async def test_whoever_comes_back_has_missed_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        for _ in range(3):
            await it.get("/registers")
        await it.log()
        async with watching(it, headers={"Last-Event-ID": "1"}) as [viewer]:
            await it.get("/registers")
            await until(lambda: viewer.seen == [2, 3, 4])
        async with watching(it, query="?after=0") as [viewer]:
            await until(lambda: viewer.seen == [1, 2, 3, 4])


@in_loop
async def test_one_too_many_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with door(tmp_path, stream_viewers=2) as it:
        async with watching(it, 2):
            late = await it.get(
                "/exchanges/stream", it.issuer.headers("gateway", "exchanges.stream")
            )
            assert late.slug == "unavailable"
            assert late.header("retry-after") == "10"
            assert (await it.get("/registers")).status == 200
        await until(lambda: not stream_of(it)._viewers)
        async with watching(it) as [viewer]:
            assert viewer.status == 200


@in_loop
async def test_only_its_own_scope_opens_the_stream(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        for scope in ("exchanges.overview", "exchanges.own"):
            refused = await it.get("/exchanges/stream", it.issuer.headers("gateway", scope))
            assert refused.slug == "insufficient-scope"
        assert (await it.get("/exchanges/stream")).status == 401
        good = it.issuer.headers("gateway", "exchanges.stream")
        odd = await it.get("/exchanges/stream", good | {"Last-Event-ID": "x"})
        assert odd.slug == "malformed"
        assert (await it.call("HEAD", "/exchanges/stream", good)).status == 200
        assert (await it.call("POST", "/exchanges/stream", good)).status == 405


@in_loop
async def test_a_stream_ends_with_its_token(tmp_path: Path) -> None:
    async with door(tmp_path) as it, watching(it, lifetime_s=1) as [viewer]:
        await until(lambda: viewer.ended)


@in_loop
async def test_a_viewer_who_takes_nothing_is_let_go_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HELD", 5)
    async with door(tmp_path) as it, watching(it) as [quick]:
        gate, slow = asyncio.Event(), Viewer()

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Mapping[str, Any]) -> None:
            slow.take(message)
            if slow.seen:
                await gate.wait()  # takes the first event and then nothing

        headers = it.issuer.headers("gateway", "exchanges.stream")
        scope = {
            "type": "http", "method": "GET", "path": "/exchanges/stream", "query_string": b"",
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        }  # fmt: skip
        task = asyncio.create_task(stream_of(it)(scope, receive, send))
        await until(lambda: slow.text)
        await it.get("/registers")
        await until(lambda: slow.seen == [1])
        for n in range(2, 9):  # one by one, so that whoever takes them never has many waiting
            await it.get("/registers")
            await until(lambda n=n: n in quick.seen)  # type: ignore[misc]
        gate.set()
        await until(lambda: slow.ended)
        await task
        assert quick.seen == list(range(1, 9))
        assert not quick.ended


@in_loop
async def test_a_silent_stream_says_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.05)
    async with door(tmp_path) as it, watching(it) as [viewer]:
        await until(lambda: viewer.text.count(": still here") > 2)


@in_loop
async def test_a_worker_that_is_replaced_lets_its_viewers_go(tmp_path: Path) -> None:
    async with door(tmp_path) as it, watching(it, 3) as viewers:
        it.plane.operations.leaving.set()
        await until(lambda: all(one.ended for one in viewers))


@in_loop
async def test_a_viewer_whose_program_is_disabled_sees_no_more(tmp_path: Path) -> None:
    async with door(tmp_path) as it, watching(it, client_id="watcher") as [viewer]:
        name = {"en": "Watcher", "dv": "x"}
        it.events.append(
            {"n": 1, "kind": "client", "client_id": "watcher", "name": name, "enabled": False}
        )
        await until(lambda: viewer.ended)
        again = it.issuer.headers("gateway", "exchanges.stream", client_id="watcher")
        assert (await it.get("/exchanges/stream", again)).status == 401
