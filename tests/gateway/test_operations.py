"""Metrics and new routes: who may, what they say, and that nothing faulty is taken."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import metrics, reloading
from gateway.metrics import BOUNDS_US, Metrics, Tallies
from tests.gateway.harness import Door, Reply, door, in_loop, until

OLD = """routes:
  - {path: /metrics, methods: [GET], service: gateway, auth: optional, quiet: true}
  - {path: /operate/reload, methods: [POST], service: gateway, auth: token,
     scopes: [platform.operate], quiet: true}
  - {path: /old, methods: [GET], service: portal, quiet: true}
"""
NEW = OLD.replace("/old", "/new")


async def read(it: Door, headers: dict[str, str] | None = None) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels (by name), without the worker's."""
    given = it.issuer.headers("gateway", "platform.observe") if headers is None else headers
    answer = await it.get("/metrics", given)
    assert answer.status == 200, answer
    assert str(answer.header("content-type")).startswith("text/plain; version=")
    return {
        (sample.name, *(value for key, value in sorted(sample.labels.items()) if key != "worker")):
            sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }  # fmt: skip


@in_loop
async def test_calls_are_counted_by_route_and_outcome(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        for _ in range(3):
            await it.get("/registers")
        await it.get("/portal/quiet")
        await it.get("/nowhere")
        await it.get("/exchanges")
        it.services["registers"].answer = lambda request: Reply(500)
        await it.get("/registers")
        seen = await read(it)
        name = "atoll_gateway_requests_total"
        assert seen[name, "answered", "/registers", "registers", "2xx"] == 3
        assert seen[name, "answered", "/registers", "registers", "5xx"] == 1
        assert seen[name, "answered", "/portal/{rest:path}", "portal", "2xx"] == 1  # quiet, counted
        assert seen[name, "refused", "unrouted", "gateway", "4xx"] == 1
        assert seen[name, "refused", "/exchanges", "gateway", "4xx"] == 1
        name = "atoll_gateway_request_seconds"
        assert seen[name + "_count", "/registers", "registers"] == 4
        assert seen[name + "_bucket", "+Inf", "/registers", "registers"] == 4
        assert 0 < seen[name + "_sum", "/registers", "registers"] < 4
        assert seen["atoll_gateway_upstream_circuit", "0", "registers"] == 0
        assert seen["atoll_gateway_upstream_ready", "0", "registers"] in (0, 1)
        assert seen["atoll_gateway_upstream_in_flight", "0", "registers"] == 0
        assert seen["atoll_gateway_log_works",] == 1
        assert seen["atoll_gateway_log_dropped",] == 0
        assert seen["atoll_gateway_routes_faulty",] == 0


@in_loop
async def test_an_open_circuit_is_seen(tmp_path: Path) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"garbage\r\n\r\n")

    async with door(tmp_path, {"portal": broken}, probe_every_s=60) as it:
        for _ in range(8):
            assert (await it.get("/portal/x")).status in (502, 503)
        seen = await read(it)
        assert seen["atoll_gateway_upstream_circuit", "0", "portal"] == 2
        assert seen["atoll_gateway_upstream_circuit_opened", "0", "portal"] == 1
        held = await it.get("/portal/x")
        assert (held.status, held.slug) == (503, "unavailable")
        assert int(str(held.header("retry-after"))) >= 1
        shown = (await it.get("/readyz")).json["components"]["portal"]["instances"]
        assert shown[0]["circuit"] == "open"


@in_loop
async def test_metrics_need_their_scope(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/metrics")).status == 401
        wrong = it.issuer.headers("gateway", "exchanges.overview")
        assert (await it.get("/metrics", wrong)).slug == "insufficient-scope"
    async with door(tmp_path, metrics_on_loopback=True) as it:
        assert (await it.get("/metrics")).status == 401  # this caller is not on loopback
        local = it.caller("127.0.0.1")
        assert (await local.get("/metrics")).status == 200


def test_workers_add_up_and_those_that_ended_stay_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [Tallies(), Tallies()]
    gauges = [[("atoll_x", "X.", {}, 1.0)]]
    both = [Metrics(tallies, [lambda: gauges[0]], tmp_path) for tallies in workers]
    for at, tallies in enumerate(workers):
        monkeypatch.setattr(metrics.os, "getpid", lambda at=at: 100 + at)
        for _ in range(at + 1):
            tallies.count("registers", "/r", 200, "answered", BOUNDS_US[0])
        tallies.count("registers", "/r", 200, "answered", BOUNDS_US[-1] * 2)
        both[at]._save(tmp_path)
    text = both[1].text()[0].decode()
    assert (
        'requests_total{outcome="answered",route="/r",service="registers",status="2xx"} 5.0' in text
    )
    assert 'seconds_bucket{le="0.0005",route="/r",service="registers"} 3.0' in text
    assert 'seconds_bucket{le="+Inf",route="/r",service="registers"} 5.0' in text
    assert text.count("atoll_x{") == 2
    saved = tmp_path / "metrics-100.json"
    ended = json.loads(saved.read_text()) | {"at": time.time() - 60}
    saved.write_text(json.dumps(ended))
    text = both[1].text()[0].decode()
    assert 'status="2xx"} 5.0' in text  # no counter goes back
    assert text.count("atoll_x{") == 1  # but its gauges say nothing more
    saved.write_text("{")
    assert 'status="2xx"} 3.0' in both[1].text()[0].decode()


@in_loop
async def test_new_routes_are_taken_at_once_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.02)
    file = tmp_path / "routes.yaml"
    file.write_text(OLD)
    async with door(tmp_path, routes_file=file) as it:
        assert (await it.get("/old")).status == 200
        file.write_text(NEW)
        await until(lambda: it.plane.routes.routes[-1].path == "/new")
        assert (await it.get("/new")).status == 200
        assert (await it.get("/old")).status == 404


@pytest.mark.parametrize(
    "faulty",
    [
        "routes: [", "", "[]", "routes: {}", "routes: []", "routes: [{path: /x}]", "\x00",
        NEW.replace("service: portal", "service: nobody"),
        NEW.replace("service: portal", "surprise: 1, service: portal"),
        NEW.replace("quiet: true}\n  - {path: /new", "cors: write}\n  - {path: /new"),
    ],
)  # fmt: skip
@in_loop
async def test_faulty_routes_are_refused_and_the_old_ones_stay(
    tmp_path: Path, faulty: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(OLD)
    async with door(tmp_path, routes_file=file) as it:
        operator = it.issuer.headers("gateway", "platform.operate")
        file.write_text(faulty)
        refused = await it.call("POST", "/operate/reload", operator)
        assert (refused.status, refused.slug) == (422, "routes-refused"), refused
        assert (await it.get("/old")).status == 200
        assert (await read(it))["atoll_gateway_routes_faulty",] == 1
        file.write_text(NEW)
        taken = await it.call("POST", "/operate/reload", operator)
        assert (taken.status, taken.json) == (200, {"routes": 3})
        assert (await it.get("/new")).status == 200
        assert (await read(it))["atoll_gateway_routes_faulty",] == 0


@in_loop
async def test_reloading_is_for_operators(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.call("POST", "/operate/reload")).status == 401
        observer = it.issuer.headers("gateway", "platform.observe")
        assert (await it.call("POST", "/operate/reload", observer)).slug == "insufficient-scope"


def test_the_last_good_routes_serve_a_worker_that_starts_beside_a_faulty_file(
    tmp_path: Path,
) -> None:
    file, folder = tmp_path / "routes.yaml", tmp_path / "run"
    folder.mkdir()
    file.write_text("routes: [")
    with pytest.raises(ValueError, match="cannot be read"):
        reloading.RoutesFile(file, ["portal"], folder)
    file.write_text(OLD)
    assert reloading.RoutesFile(file, ["portal"], folder).fault is None
    file.write_text("routes: [")
    later: Any = reloading.RoutesFile(file, ["portal"], folder)
    assert later.fault
    assert later.table.match("GET", b"/old").route.service == "portal"
