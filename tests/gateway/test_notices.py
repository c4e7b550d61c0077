"""What a route says of itself: closed for now, deprecated, going away; and no WebSockets."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.routing import read_route
from tests.gateway.harness import Door, door, in_loop

LINE: dict[str, Any] = {"path": "/old", "methods": ["GET"], "service": "portal", "quiet": True}


def table(folder: Path, *lines: dict[str, Any]) -> Path:
    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump({"routes": list(lines)}))
    return file


@in_loop
async def test_a_route_says_when_it_ends(tmp_path: Path) -> None:
    ends = {"deprecation": datetime.date(2026, 6, 30), "sunset": datetime.date(2027, 6, 30)}
    async with door(tmp_path, routes_file=table(tmp_path, LINE | ends)) as it:
        answer = await it.get("/old")
        assert answer.status == 200
        assert answer.header("deprecation") == "@1782777600"  # RFC 9745: a date of RFC 9651
        assert answer.header("sunset") == "Wed, 30 Jun 2027 00:00:00 GMT"


@in_loop
async def test_a_route_under_maintenance_is_closed_with_a_sentence(tmp_path: Path) -> None:
    closed = LINE | {"maintenance": "Old things are being sorted until noon."}
    async with door(tmp_path, routes_file=table(tmp_path, closed, LINE | {"path": "/new"})) as it:
        answer = await it.get("/old")
        assert (answer.status, answer.slug) == (503, "maintenance")
        assert answer.json["detail"] == "Old things are being sorted until noon."
        assert int(str(answer.header("retry-after"))) > 0
        assert it.asked("portal") == []
        assert (await it.get("/new")).status == 200


@pytest.mark.parametrize(
    "line",
    [{"sunset": "soon"}, {"deprecation": 2026}, {"path": "old"}, {"methods": []}, {"service": 1}],
)
def test_a_notice_that_makes_no_sense_stops_the_start(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="old"):
        read_route(LINE | line)


async def websocket(it: Door, extensions: dict[str, Any]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "websocket", "path": "/registers", "headers": [], "extensions": extensions}
    await it.plane(scope, receive, send)
    return said


@in_loop
async def test_a_websocket_gets_an_http_answer(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        start, body = await websocket(it, {"websocket.http.response": {}})
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
        assert "WebSockets" in json.loads(body["body"])["detail"]
        assert await websocket(it, {}) == [{"type": "websocket.close", "code": 1008}]
        for headers in ({"Upgrade": "websocket"}, {"Upgrade": "WebSocket, h2c"}):
            refused = await it.get("/registers", headers)
            assert (refused.status, refused.slug) == (400, "malformed")
