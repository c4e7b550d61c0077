"""One call on its way through the door, between a caller and real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import Hangup, Reply, Request, door, in_loop, until


@in_loop
async def test_a_public_call_passes_and_is_recorded(tmp_path: Path) -> None:
    async with door(tmp_path, {"registers": Reply(body=b'{"registers": []}')}) as it:
        answer = await it.get("/registers")
        assert (answer.status, answer.body) == (200, b'{"registers": []}')
        [entry] = await it.log()
        assert entry["route"] == "/registers"
        assert entry["service"] == "registers"
        assert entry["outcome"] == "answered"
        assert entry["status"] == 200
        assert entry["size_bytes"] == len(answer.body)
        assert entry["exchange"] == answer.header("atoll-exchange")
        assert entry["caller"] is None


@in_loop
async def test_the_address_goes_on_exactly_as_it_came(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await it.get("/registers/island/records/K%2DThulusdhoo?a=%20&a=b&c")
        [request] = it.asked("registers")
        assert request.target == "/registers/island/records/K%2DThulusdhoo?a=%20&a=b&c"
        [entry] = await it.log()
        assert entry["parameters"] == {"register": "island", "key": "K-Thulusdhoo"}


@in_loop
async def test_an_escaped_slash_goes_on_escaped_where_it_is_declared(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        path = "/registers/island/records/SI%2F2015%2F1"
        assert (await it.get(path, {"Atoll-Path": "/spoof"})).status == 200
        assert (await it.get("/registers/island/records/K", {"Atoll-Path": "/spoof"})).status == 200
        assert (await it.get("/registers/is%2Fland/context")).slug == "malformed"
        [request, plain] = it.asked("registers")
        assert request.target == request.header("Atoll-Path") == path
        assert plain.header("Atoll-Path") is None
        entry = (await it.log())[0]
        assert entry["parameters"] == {"register": "island", "key": "SI/2015/1"}


@in_loop
async def test_the_door_writes_the_context_and_nobody_else(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        spoofed = {
            "Atoll-Gateway-Key": "spoof", "Atoll-Caller": "urn:atoll:gateway",
            "Atoll-Exchange": "spoof",
            "Atoll-Purpose": "spoof", "Atoll-Consent": "spoof", "Atoll-Subject": "spoof",
            "Atoll-Proof": "spoof", "Atoll-Anything": "spoof", "Atoll_Caller": "spoof",
            "X-Forwarded-For": "spoof", "X-Forwarded-Host": "spoof", "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "spoof", "X_Forwarded_For": "spoof", "Forwarded": "for=spoof",
            "X-Real-IP": "spoof", "Host": "spoof.example", "Proxy": "spoof", "Via": "spoof",
            "X-Original-URL": "/spoof", "Content_Length": "17", "Transfer_Encoding": "spoof",
        }  # fmt: skip
        token = it.issuer.headers("registers", client_id="fisheries")
        answer = await it.get("/registers", spoofed | token | {"Accept": "application/json"})
        assert answer.status == 200
        [request] = it.asked("registers")
        assert "spoof" not in str(request.headers)
        assert request.header("Atoll-Gateway-Key") == "k" * 64
        assert request.header("Atoll-Caller") == "fisheries"
        assert request.header("Atoll-Exchange") == answer.header("atoll-exchange")
        assert request.header("X-Forwarded-For") == "192.0.2.7"
        assert request.header("X-Forwarded-Proto") == "http"
        assert request.header("X-Forwarded-Host") == "localhost:8000"
        assert request.header("Host") == "localhost:8000"
        assert request.header("Accept") == "application/json"
        assert request.header("Authorization") == token["Authorization"]
        for absent in ("Atoll-Purpose", "Atoll-Consent", "Atoll-Subject", "Atoll-Proof"):
            assert request.header(absent) is None


@in_loop
async def test_the_trace_goes_on_with_a_hop_of_its_own(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        trace = "0af7651916cd43dd8448eb211c80319c"
        await it.get("/registers", {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        await it.get("/registers", {"traceparent": "rubbish"})
        first, second = it.asked("registers")
        assert str(first.header("traceparent")).split("-")[1] == trace
        assert str(first.header("traceparent")).split("-")[2] != "b7ad6b7169203331"
        assert str(second.header("traceparent")).split("-")[1] != trace
        assert (await it.log())[0]["trace"] == trace


@in_loop
async def test_hop_by_hop_headers_end_at_the_door_in_both_directions(tmp_path: Path) -> None:
    reply = Reply(headers=[("Connection", "keep-alive, X-Hop"), ("Keep-Alive", "timeout=5"),
                           ("X-Hop", "1"), ("X-Kept", "1"), ("Server", "secret/1.0"),
                           ("Atoll-Subject", "person"), ("Atoll-Categories", "contact"),
                           ("Atoll-Caller", "fisheries")])  # fmt: skip
    async with door(tmp_path, {"registers": reply}) as it:
        answer = await it.get(
            "/registers",
            {"Connection": "close, X-Mine", "X-Mine": "1", "TE": "trailers",
             "Expect": "100-continue", "Proxy-Authorization": "secret", "Upgrade": "h2c",
             "HTTP2-Settings": "x"},
        )  # fmt: skip
        assert answer.status == 200
        names = {name.lower() for name, _ in it.asked("registers")[0].headers}
        assert not names & {"connection", "x-mine", "te", "expect", "proxy-authorization",
                            "upgrade", "http2-settings", "transfer-encoding"}  # fmt: skip
        back = {name for name, _ in answer.headers}
        assert b"x-kept" in back
        assert not back & {b"connection", b"keep-alive", b"x-hop", b"server", b"atoll-subject",
                           b"atoll-categories", b"atoll-caller"}  # fmt: skip


@in_loop
async def test_only_named_cookies_pass(tmp_path: Path) -> None:
    reply = Reply(headers=[("Set-Cookie", "atoll_portal=new; HttpOnly"), ("Set-Cookie", "other=1")])
    async with door(tmp_path, {"portal": reply, "registers": reply}) as it:
        cookies = {"Cookie": "a=1; atoll_portal=s=1;atoll_identity=t; __Host-atoll_portal=u"}
        page = await it.get("/portal/inbox", cookies)
        assert it.asked("portal")[0].header("Cookie") == "atoll_portal=s=1; __Host-atoll_portal=u"
        assert page.header("set-cookie") == "atoll_portal=new; HttpOnly"
        public = await it.get("/registers", cookies)
        assert it.asked("registers")[0].header("Cookie") is None
        assert public.header("set-cookie") is None


@in_loop
async def test_an_unknown_address_and_a_wrong_method_are_told_apart(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/nothing")).slug == "not-found"
        assert (await it.get("/identity/feed?after=0")).slug == "not-found"
        assert (await it.call("POST", "/registers/operate/reset")).status in (404, 405)
        wrong = await it.call("DELETE", "/registers/island/entries")
        assert wrong.slug == "method-not-allowed"
        assert wrong.header("allow") == "GET, HEAD, POST"
        for method in ("TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get"):
            assert (await it.call(method, "/registers")).status == 405
        assert it.asked("registers") == []


@in_loop
async def test_a_websocket_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        answer = await it.get("/registers", {"Connection": "Upgrade", "Upgrade": "websocket"})
        assert answer.slug == "malformed"
        assert "WebSocket" in answer.json["detail"]


@in_loop
async def test_tokens_are_checked_before_a_service_is_troubled(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        path, scope = "/registers/island/entries", "registers.append"
        good = it.issuer.headers("registers", scope)
        assert (await it.call("POST", path, good, b"{}")).status == 200
        assert it.asked("registers")[0].body == b"{}"
        for headers, status, slug in (
            ({}, 401, "unauthenticated"),
            ({"Authorization": "Basic abc"}, 401, "unauthenticated"),
            ({"Authorization": "Bearer not.a.token"}, 401, "unauthenticated"),
            (it.issuer.headers("registers", scope, lifetime_s=-60), 401, "unauthenticated"),
            (it.issuer.headers("notify", scope), 401, "unauthenticated"),
            ({"Authorization": good["Authorization"][:-4] + "AAAA"}, 401, "unauthenticated"),
            (it.issuer.headers("registers", "registers.read"), 403, "insufficient-scope"),
        ):
            answer = await it.call("POST", path, headers, b"{}")
            assert (answer.status, answer.slug) == (status, slug)
            assert "Bearer" in str(answer.header("www-authenticate"))
        assert len(it.asked("registers")) == 1
        entries = await it.log()
        assert [entry["outcome"] for entry in entries] == ["answered"] + ["refused"] * 7
        assert entries[-1]["reason"] == "insufficient-scope"
        assert entries[-1]["sentence"]


@in_loop
async def test_a_bad_token_is_refused_even_where_none_is_needed(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/registers", {"Authorization": "Bearer a.b.c"})).status == 401
        good = it.issuer.headers("registers", client_id="fisheries")
        assert (await it.get("/registers", good)).status == 200
        assert (await it.log())[-1]["caller"] == "fisheries"


@in_loop
async def test_known_keys_work_while_identity_is_away(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        first = await it.get("/registers", it.issuer.headers("registers"))
        it.services["identity"].answer = lambda request: Reply(500)
        second = await it.get("/registers", it.issuer.headers("registers", client_id="other"))
        assert (first.status, second.status) == (200, 200)


@in_loop
async def test_a_service_that_checks_the_caller_itself_names_it(tmp_path: Path) -> None:
    reply = Reply(201, headers={"Atoll-Caller": "fisheries"})
    async with door(tmp_path, {"notify": reply}) as it:
        headers = {"Authorization": "Bearer own-kind-of-token"}
        answer = await it.call("POST", "/v2/notifications/sms", headers, b"{}")
        assert answer.status == 201
        assert it.asked("notify")[0].header("Authorization") == headers["Authorization"]
        assert (await it.log())[0]["caller"] == "fisheries"


@in_loop
async def test_a_dead_service_is_503_and_harms_nobody_else(tmp_path: Path) -> None:
    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with door(tmp_path, {"registers": dead}) as it:
        answer = await it.get("/registers")
        assert (answer.status, answer.slug) == (503, "unavailable")
        assert answer.header("retry-after")
        assert (await it.get("/portal/x")).status == 200
        [entry] = await it.log()
        assert (entry["outcome"], entry["reason"]) == ("failed", "unavailable")


@in_loop
async def test_garbage_is_502_and_silence_is_504(tmp_path: Path) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        await reader.read()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    answers = {"registers": garbage, "notify": silence}
    async with door(tmp_path, answers, idle_timeout_s=0.3) as it:
        assert (await it.get("/registers")).slug == "bad-gateway"
        answer = await it.get("/v2/notifications")
        assert answer.status == 504
        assert answer.json["status_code"] == 504
        assert answer.json["errors"][0]["message"]
        assert answer.header("content-type") == "application/json"


@in_loop
async def test_a_large_answer_streams_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 20_000
    async with door(tmp_path, {"portal": Reply(body=body)}) as it:
        answer = await it.get("/portal/x")
        assert answer.body == body
        assert answer.complete


@in_loop
async def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(tmp_path: Path) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.1)

    async with door(tmp_path, {"registers": cut}) as it:
        answer = await it.get("/registers")
        assert (answer.status, answer.body, answer.complete) == (200, b"half", False)
        [entry] = await it.log()
        assert (entry["outcome"], entry["reason"]) == ("failed", "bad-gateway")


@in_loop
async def test_a_caller_who_hangs_up_frees_the_service(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        ended.set()

    async with door(tmp_path, {"registers": endless}) as it:
        hangup = Hangup()
        call = asyncio.create_task(it.call("GET", "/registers", hangup=hangup))
        await asyncio.sleep(0.2)
        hangup.event.set()
        answer = await call
        assert answer.status == 0
        await asyncio.wait_for(ended.wait(), 2)
        [entry] = await it.log()
        assert (entry["outcome"], entry["reason"], entry["status"]) == (
            "failed",
            "caller-gone",
            499,
        )


@in_loop
async def test_quiet_routes_are_not_recorded(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        for path in ("/", "/portal/x", "/healthz", "/identity/jwks", "/nothing"):
            await it.get(path)
        assert await it.log() == []


@in_loop
async def test_a_revoked_token_and_a_disabled_client_are_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        token = it.issuer.headers("registers", client_id="gone", jti="j-1")
        granted = it.issuer.headers("registers", grant_id="g-1")
        assert (await it.get("/registers", token)).status == 200
        name = {"en": "Gone", "dv": "Gone"}
        it.events.append(
            {"n": 1, "kind": "client", "client_id": "gone", "name": name, "enabled": False}
        )
        await until(lambda: it.plane.feed.version.endswith(".1"))
        assert (await it.get("/registers", token)).status == 401
        assert (await it.get("/registers", granted)).status == 200
        it.events.append({"n": 2, "kind": "grant-revoked", "grant_id": "g-1"})
        await until(lambda: it.plane.feed.version.endswith(".2"))
        assert (await it.get("/registers", granted)).status == 401


@in_loop
async def test_the_gateways_own_fault_says_nothing_of_its_insides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as it:

        def broken(*_: Any) -> Any:
            raise RuntimeError("secret detail")

        monkeypatch.setattr(it.plane.routes, "match", broken)
        answer = await it.get("/registers")
        assert answer.slug == "internal-error"
        assert b"secret" not in answer.body


@in_loop
async def test_a_head_request_gets_the_head_alone(tmp_path: Path) -> None:
    async with door(tmp_path, {"registers": Reply(body=b"12345")}) as it:
        answer = await it.call("HEAD", "/registers")
        assert (answer.status, answer.body, answer.complete) == (200, b"", True)
        assert answer.header("content-length") == "5"
        assert (await it.get("/registers")).body == b"12345"


@in_loop
async def test_calls_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    def echo(request: Request) -> Reply:
        return Reply(body=json.dumps(request.target).encode())

    async with door(tmp_path, {"registers": echo}, upstream_connections=4) as it:
        targets = [f"/registers/island/records/{number}" for number in range(200)]
        answers = await asyncio.gather(*(it.get(target) for target in targets))
        assert [answer.json for answer in answers] == targets
        assert it.services["registers"].connections <= 5
        assert len(await it.log()) == 200
