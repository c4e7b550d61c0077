"""The instructor's levers: only in a demonstration, for all workers, undone by hand or by reset."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway import storage
from gateway.faults import HOLDS_S
from tests.gateway.harness import Answer, Door, Reply, Request, door, in_loop, until
from tests.support.issuer import FakeIssuer

DEMONSTRATION: dict[str, Any] = {"start_state": "{}"}


async def ask(
    it: Door, method: str, target: str, body: Any = None, *, scope: str = "platform.teach"
) -> Answer:
    headers = it.issuer.headers("gateway", scope, client_id="portal")
    content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        headers["Content-Type"] = "application/json"
    return await it.call(method, target, headers, content)


async def pull(it: Door, service: str, kind: str, **more: Any) -> Answer:
    return await ask(it, "POST", "/operate/faults", {"service": service, "kind": kind} | more)


@in_loop
async def test_without_a_demonstration_there_are_no_levers_and_its_scope_resets_nothing(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, {"registers": Reply(), "notify": Reply()}) as it:
        for scope in ("platform.teach", "platform.operate"):
            for method, target, body in (
                ("GET", "/operate/faults", None),
                ("POST", "/operate/faults", {"service": "registers", "kind": "stop"}),
                ("DELETE", "/operate/faults", None),
                ("POST", "/operate/tamper", {"register": "island"}),
                ("GET", "/operate/providers", None),
            ):
                answer = await ask(it, method, target, body, scope=scope)
                assert (answer.status, answer.slug) == (404, "not-found")
        assert (await ask(it, "POST", "/operate/reset")).slug == "insufficient-scope"
        assert it.asked("registers") == []
        assert (await it.get("/registers")).status == 200


@in_loop
async def test_levers_need_their_scope(tmp_path: Path) -> None:
    async with door(tmp_path, **DEMONSTRATION) as it:
        assert (await it.get("/operate/faults")).status == 401
        refused = await ask(it, "GET", "/operate/faults", scope="exchanges.overview")
        assert refused.slug == "insufficient-scope"


@in_loop
async def test_a_stopped_service_harms_nobody_else_and_runs_again_when_let_go(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, **DEMONSTRATION) as it:
        answer = await pull(it, "registers", "stop")
        assert answer.status == 200
        [shown] = answer.json["faults"]
        assert (shown["service"], shown["kind"]) == ("registers", "stop")
        stopped = await it.get("/registers")
        assert (stopped.status, stopped.slug) == (503, "unavailable")
        assert "lever" in stopped.json["detail"]
        assert it.asked("registers") == []
        assert (await it.get("/portal/x")).status == 200
        assert (await it.call("POST", "/v2/notifications/sms", {}, b"{}")).status == 200
        entry = next(one for one in await it.log() if one["service"] == "registers")
        assert entry["outcome"] == "failed"
        undone = await ask(it, "DELETE", "/operate/faults?service=registers")
        assert undone.json["faults"] == []
        assert (await it.get("/registers")).status == 200


@in_loop
async def test_a_broken_service_answers_502_and_a_slow_one_takes_its_time(tmp_path: Path) -> None:
    async with door(tmp_path, **DEMONSTRATION) as it:
        await pull(it, "notify", "break")
        broken = await it.call("POST", "/v2/notifications/sms", {}, b"{}")
        assert broken.status == 502
        assert broken.json["errors"][0]["error"] == "BadGatewayError"
        await pull(it, "registers", "slow", delay_ms=150)
        began = time.monotonic()
        assert (await it.get("/registers")).status == 200
        assert time.monotonic() - began >= 0.15
        await pull(it, "registers", "stop")  # in place of the other
        assert (await it.get("/registers")).status == 503
        assert len((await ask(it, "GET", "/operate/faults")).json["faults"]) == 2
        assert (await ask(it, "DELETE", "/operate/faults")).json["faults"] == []


@in_loop
async def test_another_worker_follows_within_two_seconds(tmp_path: Path) -> None:
    issuer = FakeIssuer()
    async with (
        door(tmp_path, issuer=issuer, **DEMONSTRATION) as one,
        door(tmp_path, issuer=issuer, **DEMONSTRATION) as two,
    ):
        await pull(one, "registers", "stop")
        await until(lambda: "registers" in two.plane.rules.faults.pulled, within_s=2)
        assert (await two.get("/registers")).status == 503
        await ask(one, "DELETE", "/operate/faults")
        await until(lambda: not two.plane.rules.faults.pulled, within_s=2)
        assert (await two.get("/registers")).status == 200


@in_loop
async def test_a_lever_lets_go_by_itself(tmp_path: Path) -> None:
    async with door(tmp_path, **DEMONSTRATION) as it:
        now_ms = int(it.plane.clock.now().timestamp() * 1000)
        assert HOLDS_S <= 15 * 60  # a token of the page that pulled it is still good then
        with it.database.transaction() as session:
            storage.keep_fault(session, "registers", "stop", 0, now_ms + 200)
        it.plane.rules.faults.read()
        assert (await it.get("/registers")).status == 503
        await until(lambda: it.plane.clock.now().timestamp() * 1000 > now_ms + 250)
        assert (await it.get("/registers")).status == 200


@in_loop
async def test_a_reset_lets_every_lever_go_and_puts_agreements_back(tmp_path: Path) -> None:
    replies = dict.fromkeys(("identity", "registers", "notify", "portal"), Reply(204))
    async with door(tmp_path, replies, **DEMONSTRATION) as it:
        await pull(it, "registers", "stop")
        answer = await ask(it, "POST", "/operate/reset")
        assert answer.status == 200, answer
        assert it.plane.rules.faults.pulled == {}
        agreements = it.plane.rules.directory.agreements or {}
        assert ("fisheries", "identity") in agreements
        assert ("test-client", "registers") not in agreements
        assert it.plane.rules.directory.plan_of("portal") == "platform"


@in_loop
async def test_services_are_asked_by_the_gateway_itself_and_their_answers_handed_on(
    tmp_path: Path,
) -> None:
    def service(request: Request) -> Reply:
        if b"nothing" in request.body:
            problem = {"type": "x", "title": "Nothing", "status": 404, "detail": "Nothing is here."}
            kind = {"Content-Type": "application/problem+json"}
            return Reply(404, json.dumps(problem).encode(), kind)
        return Reply(body=json.dumps({"asked": request.method}).encode())

    async with door(tmp_path, {"registers": service, "notify": service}, **DEMONSTRATION) as it:
        done = await ask(it, "POST", "/operate/tamper", {"register": "island", "number": 3})
        assert done.json == {"asked": "POST"}
        assert (await ask(it, "DELETE", "/operate/tamper")).json == {"asked": "DELETE"}
        missing = await ask(it, "POST", "/operate/tamper", {"register": "nothing"})
        assert (missing.status, missing.json["detail"]) == (404, "Nothing is here.")
        first = it.asked("registers")[0]
        assert first.path == "/registers/operate/tamper"
        assert first.header("Atoll-Caller") == "urn:atoll:gateway"
        assert json.loads(first.body) == {"register": "island", "number": 3}
        assert (await ask(it, "GET", "/operate/providers")).json == {"asked": "GET"}
        told = await ask(it, "POST", "/operate/providers", {"provider": "coral", "mode": "fail"})
        assert told.json == {"asked": "POST"}
        assert it.asked("notify")[-1].path == "/notify/operate/provider"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"service": "registers"}, {"service": "elsewhere", "kind": "stop"},
        {"service": "registers", "kind": "explode"},
        {"service": "registers", "kind": "slow", "x": 1},
        {"service": "registers", "kind": "slow", "delay_ms": 0},
        {"service": "registers", "kind": "slow", "delay_ms": 10**9}, {"service": 1, "kind": "stop"},
    ],
    ids=str,
)  # fmt: skip
def test_levers_that_make_no_sense_are_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    @in_loop
    async def run() -> None:
        async with door(tmp_path, **DEMONSTRATION) as it:
            answer = await ask(it, "POST", "/operate/faults", body)
            assert (answer.status, answer.slug) == (422, "invalid")
            assert it.plane.rules.faults.pulled == {}

    run()
