"""Streams of events: each event passed on at once, no end to the whole, an end to silence."""

import asyncio
from pathlib import Path
from typing import Any

import yaml

from tests.gateway.harness import Hangup, door, in_loop, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LINE = {"path": "/events", "methods": ["GET"], "service": "portal", "quiet": True}


def table(folder: Path, **more: Any) -> Path:
    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump({"routes": [LINE | more]}))
    return file


class Events:
    """A service that sends an event whenever it is told to."""

    def __init__(self) -> None:
        self.due: asyncio.Queue[bytes] = asyncio.Queue()
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if not asked.startswith(b"GET /events"):
            return
        writer.write(HEAD)
        leaving = asyncio.create_task(reader.read())
        leaving.add_done_callback(lambda _: self.left.set())
        while event := await self.due.get():
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        writer.write(b"0\r\n\r\n")


@in_loop
async def test_each_event_is_passed_on_at_once_and_the_whole_has_no_limit(tmp_path: Path) -> None:
    events, seen = Events(), []
    limits = {
        "total_timeout_s": 0.3,
        "idle_timeout_s": 5.0,
        "routes_file": table(tmp_path, stream=True),
    }
    async with door(tmp_path, {"portal": events.serve}, **limits) as it:
        calling = asyncio.create_task(
            it.call("GET", "/events", on_message=lambda message: seen.append(message.get("body")))
        )
        for number in range(4):
            event = b"data: %d\n\n" % number
            events.due.put_nowait(event)
            await until(lambda event=event: event in seen)
            await asyncio.sleep(0.2)  # all together longer than an ordinary call may last
        events.due.put_nowait(b"")
        answer = await calling
        assert answer.complete
        assert answer.body == b"".join(b"data: %d\n\n" % number for number in range(4))


@in_loop
async def test_silence_and_an_ordinary_route_still_end(tmp_path: Path) -> None:
    for silent, changes in ((True, {"stream": True}), (False, {})):
        events = Events()
        limits = {
            "idle_timeout_s": 0.4 if silent else 5.0,
            "total_timeout_s": 0.4,
            "routes_file": table(tmp_path, **changes),
        }
        async with door(tmp_path, {"portal": events.serve}, **limits) as it:
            events.due.put_nowait(b"data: 1\n\n")
            answer = await it.get("/events")
            assert answer.body == b"data: 1\n\n"
            assert not answer.complete  # cut, so that nobody takes it for the whole
            await events.left.wait()


@in_loop
async def test_a_viewer_who_leaves_frees_the_service(tmp_path: Path) -> None:
    events, hangup = Events(), Hangup()
    async with door(
        tmp_path, {"portal": events.serve}, routes_file=table(tmp_path, stream=True)
    ) as it:
        calling = asyncio.create_task(it.call("GET", "/events", hangup=hangup))
        events.due.put_nowait(b"data: 1\n\n")
        await asyncio.sleep(0.2)
        hangup.event.set()
        await asyncio.wait_for(events.left.wait(), 5)
        await calling
