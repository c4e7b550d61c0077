"""Bodies and framing: what arrives whole, what is too large, what could be read in two ways."""

from pathlib import Path

import pytest

from gateway.settings import MEBIBYTE
from tests.gateway.harness import Reply, door, in_loop


@in_loop
async def test_a_body_too_large_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        headers = {"Content-Length": str(5 * MEBIBYTE + 1)}
        answer = await it.call("POST", "/portal/x", headers, b"x")
        assert answer.slug == "too-large"
        assert answer.header("connection") == "close"
        notify = await it.call("POST", "/v2/notifications/sms", headers, b"x")
        assert notify.json["errors"][0]["error"]
        assert it.asked("portal") == it.asked("notify") == []


@in_loop
async def test_a_body_too_large_is_refused_while_it_is_counted(tmp_path: Path) -> None:
    async with door(tmp_path, max_body_bytes=200_000) as it:
        pieces = [b"x" * 50_000] * 5
        chunked = await it.call("POST", "/portal/x", {"Transfer-Encoding": "chunked"}, pieces)
        assert chunked.slug == "too-large"
        lying = await it.call("POST", "/portal/x", {"Content-Length": "150000"}, pieces)
        assert lying.status in (400, 413, 502)
        assert it.asked("portal") == []


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 1_000_000])
@in_loop
async def test_a_body_arrives_whole(tmp_path: Path, size: int) -> None:
    async with door(tmp_path, {"portal": lambda request: Reply(body=request.body)}) as it:
        body = bytes(range(256)) * (size // 256 + 1)
        pieces = [body[at : min(at + 10_000, size)] for at in range(0, size, 10_000)]
        for headers in ({}, {"Transfer-Encoding": "chunked"}):
            answer = await it.call("POST", "/portal/x", headers, pieces)
            assert answer.body == body[:size]
            assert answer.complete


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "3"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "identity")],
        [("Content-Length", "-1")],
        [("Content-Length", "+3")],
        [("Content-Length", "3, 3")],
        [("Content-Length", "9" * 400)],
        [("Host", "a"), ("Host", "b")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
        [("Atoll-Purpose", "a"), ("Atoll-Purpose", "b")],
    ],
)
@in_loop
async def test_a_request_that_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, headers: list[tuple[str, str]]
) -> None:
    async with door(tmp_path) as it:
        answer = await it.call("POST", "/portal/x", headers, b"abc")
        assert (answer.status, answer.slug) == (400, "malformed")
        assert it.asked("portal") == []


@in_loop
async def test_too_many_headers_are_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/registers", {"X-Large": "x" * 40_000})).slug == "headers-too-large"
        assert (await it.get("/registers?" + "x" * 9000)).slug == "address-too-long"
        assert (await it.get("/registers?a b")).slug == "malformed"
