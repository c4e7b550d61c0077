"""API7 and API10: where the platform can be sent, and how far it believes what answers."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import Reply, Request, door, in_loop
from tests.support.people import Callers


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "file:///etc/passwd",
        "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://10.0.0.5/",
        "https://2130706433/", "https://0x7f.1/", "https://user@127.0.0.1/", "gopher://x.example/",
        "https://subscriber.example:22/", "http://localhost:8000/operate/reset", "//evil.example/",
    ],
)  # fmt: skip
def test_api7_server_side_request_forgery(callers: Callers, target: str) -> None:
    """No address that a caller may leave leads into the platform's own network."""
    token = callers.subscriber()
    answer = callers.ask("POST", "/registers/island/subscriptions", token, json={"url": target})
    assert answer.status_code in (400, 422), answer.text
    operator = callers.kept("operator", "identity", "identity.clients")
    for member in ("jwks_uri", "backchannel_logout_uri"):
        metadata = {
            "client_name": "Forger",
            "grant_types": ["authorization_code"],
            "redirect_uris": ["https://app.example/back"],
            "scope": "openid",
            member: target,
        }
        if member == "jwks_uri":
            metadata["token_endpoint_auth_method"] = "private_key_jwt"
        answer = callers.ask("POST", "/identity/clients", operator, json=metadata)
        assert answer.status_code == 400, (member, answer.text)
        assert answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


@in_loop
async def test_api10_unsafe_consumption_of_apis(tmp_path: Path) -> None:
    """What a service behind the door answers is not believed further than it must be."""
    hostile = Reply(
        status=302,
        headers=[
            ("Location", "http://169.254.169.254/"), ("Set-Cookie", "atoll_portal=stolen; Path=/"),
            ("Access-Control-Allow-Origin", "https://evil.example"), ("Connection", "x-secret"),
            ("Access-Control-Allow-Credentials", "true"), ("X-Secret", "internal"),
            ("Atoll-Subject", "person-2"), ("Atoll-Exchange", "forged"), ("Server", "Old/0.1"),
        ],
    )  # fmt: skip

    def personal(request: Request) -> Reply:
        other = {"Atoll-Subject": "person-2", "Atoll-Categories": "contact"}
        return Reply(headers=other, body=b'{"phone": "+9607123456"}')

    async with door(tmp_path, {"registers": hostile, "identity": personal}) as it:
        answer = await it.get("/registers")
        assert answer.status == 302  # handed on, not followed
        assert len(it.asked("registers")) == 1
        for name in ("set-cookie", "access-control-allow-credentials", "x-secret", "server"):
            assert answer.header(name) is None, name
        assert answer.header("access-control-allow-origin") != "https://evil.example"
        assert answer.header("atoll-subject") is None
        assert answer.header("atoll-exchange") != "forged"

        headers = it.issuer.headers("identity", "identity.contact", subject="person-1")
        headers |= {"Atoll-Purpose": "own-data"}
        wrong = await it.get("/identity/contact-details", headers)
        assert wrong.status == 502
        assert b"7123456" not in wrong.body


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/9.9 200 OK\r\n\r\n", b"<html>not HTTP</html>\r\n\r\n", b"",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=["two lengths", "bad chunk", "nul", "version", "no HTTP", "nothing", "endless head"],
)  # fmt: skip
def test_api10_unsafe_consumption_of_apis_of_garbage(tmp_path: Path, reply: bytes) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    @in_loop
    async def check() -> None:
        async with door(tmp_path, {"registers": answer}) as it:
            got = await it.get("/registers")
            assert got.status in (502, 503) or not got.complete, got
            other = await it.get("/portal/apis")
            assert other.status == 200  # nobody else is harmed

    check()
