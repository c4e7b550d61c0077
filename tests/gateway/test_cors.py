"""Pages of other origins: what they may read, what they may send, and never with credentials."""

from pathlib import Path

import pytest

from gateway.routing import RouteTable, read_route
from tests.gateway.harness import Reply, door, in_loop

PAGE, LISTED = "https://page.example", "https://listed.example"


def preflight(origin: str = PAGE, method: str = "GET") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }


@in_loop
async def test_public_reads_are_open_to_every_page_without_credentials(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        asked = await it.call("OPTIONS", "/registers/island/records", preflight())
        assert asked.status == 204
        assert asked.header("access-control-allow-origin") == "*"
        assert asked.header("access-control-allow-methods") == "GET, HEAD"
        assert "authorization" in str(asked.header("access-control-allow-headers"))
        assert asked.header("access-control-allow-credentials") is None
        assert it.asked("registers") == []  # the door answers by itself
        answer = await it.get("/registers/island/records", {"Origin": PAGE})
        assert answer.header("access-control-allow-origin") == "*"
        assert "etag" in str(answer.header("access-control-expose-headers"))
        assert it.asked("registers")[0].header("Origin") == PAGE
        missing = await it.get("/registers/island/nowhere", {"Origin": PAGE})
        assert missing.status == 404
        assert [entry["method"] for entry in await it.log()] == ["GET"]


@in_loop
async def test_other_routes_answer_listed_origins_alone(tmp_path: Path) -> None:
    async with door(tmp_path, cors_origins=f"{LISTED}, https://b.example") as it:
        path = "/identity/contact-details"
        asked = await it.call("OPTIONS", path, preflight(LISTED))
        assert asked.status == 204
        assert asked.header("access-control-allow-origin") == LISTED
        assert asked.header("vary") == "Origin"
        assert asked.header("access-control-allow-credentials") is None
        for origin in (PAGE, "null", LISTED + ".evil.example", LISTED.upper(), "*", ""):
            refused = await it.call("OPTIONS", path, preflight(origin))
            assert (refused.status, refused.slug) == (403, "forbidden")
            assert refused.header("access-control-allow-origin") is None
        seen = await it.get(path, {"Origin": LISTED})  # a refusal may be read too
        assert seen.status == 401
        assert seen.header("access-control-allow-origin") == LISTED
        assert (await it.get(path, {"Origin": PAGE})).header("access-control-allow-origin") is None


@in_loop
async def test_pages_with_cookies_are_closed_to_every_other_origin(tmp_path: Path) -> None:
    async with door(tmp_path, cors_origins=LISTED) as it:
        refused = await it.call("OPTIONS", "/identity/sign-in", preflight(LISTED, "POST"))
        assert refused.status == 403
        answer = await it.get("/identity/sign-in", {"Origin": LISTED})
        assert answer.header("access-control-allow-origin") is None


@in_loop
async def test_a_service_cannot_open_itself(tmp_path: Path) -> None:
    opened = {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Max-Age": "86400",
    }
    async with door(tmp_path, {"portal": Reply(headers=opened)}) as it:
        answer = await it.get("/portal/x", {"Origin": PAGE})
        assert answer.status == 200
        assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")]


@in_loop
async def test_a_preflight_for_nothing_is_not_answered_as_one(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.call("OPTIONS", "/nowhere", preflight())).status == 404
        assert (await it.call("OPTIONS", "/registers", preflight(method="PUT"))).status == 405
        assert (await it.call("OPTIONS", "/registers", {"Origin": PAGE})).status == 405
        assert (await it.call("OPTIONS", "/registers")).status == 405


@pytest.mark.parametrize(
    "line",
    [
        {"methods": ["GET", "POST"]},
        {"cookies": ["c"]},
        {"auth": "token", "scopes": ["s"], "personal": "read", "categories": ["c"],
         "bases": ["own"]},
        {"cors": "write"},
    ],
)  # fmt: skip
def test_only_public_reads_can_be_declared_open(line: dict[str, object]) -> None:
    good: dict[str, object] = {
        "path": "/a", "methods": ["GET"], "service": "portal", "quiet": True, "cors": "read",
    }  # fmt: skip
    assert RouteTable([read_route(good)]).routes[0].cors == "read"
    with pytest.raises(ValueError, match="cors"):
        read_route(good | line)
