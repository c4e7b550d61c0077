"""API4 and API6: nobody takes more than their share, or drives what people should do by hand."""

import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import door, in_loop
from tests.support.people import Callers


def test_api4_unrestricted_resource_consumption(callers: Callers) -> None:
    token = callers.running.token("sandbox", "gateway", "exchanges.overview")
    entries = callers.ask("GET", "/exchanges?limit=1000000", token).json()["exchanges"]
    assert len(entries) <= 200
    for path in (
        "/registers/island/records?page-size=100000000",
        "/registers/island/entries?page-size=100000000",
    ):
        answer = callers.ask("GET", path)
        assert answer.status_code in (200, 400)
        assert len(answer.content) < 2_000_000
    huge = callers.ask("POST", "/identity/token", data=b"x" * 20_000_000)
    assert huge.status_code == 413
    hook = callers.ask("POST", f"/portal/hooks/{'A' * 22}", data=b"x" * 20_000)
    assert hook.status_code == 413
    deep = "[" * 50_000 + "]" * 50_000
    for path in ("/identity/clients", "/v2/notifications/sms"):
        bearer = (
            callers.notify_token("fisheries")
            if path.startswith("/v2")
            else callers.running.token("operator", "identity", "identity.clients")
        )
        answer = callers.ask(
            "POST", path, bearer, data=deep, headers={"Content-Type": "application/json"}
        )
        assert 400 <= answer.status_code < 500, path
    assert callers.ask("GET", "/?" + "a" * 9_000).status_code in (400, 414)
    many = {f"X-{number}": "v" for number in range(300)}
    assert callers.ask("GET", "/registers", headers=many).status_code in (400, 431)
    said = callers.ask("GET", "/registers").headers
    assert int(said["RateLimit-Remaining"]) < int(said["RateLimit-Limit"])


@in_loop
async def test_api4_unrestricted_resource_consumption_is_stopped_at_the_limit(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, limit_factor=0.001) as it:  # six calls a minute, not six thousand
        statuses = [(await it.get("/registers")).status for _ in range(30)]
        assert statuses[0] == 200
        assert statuses[-1] == 429
        refused = await it.get("/registers")
        assert refused.slug == "too-many-requests"
        assert int(refused.header("retry-after") or 0) > 0
        assert len(it.asked("registers")) == statuses.count(200)
        other = await it.caller("192.0.2.99").get("/registers")
        assert other.status == 200  # nobody pays for another address


def test_api6_unrestricted_access_to_sensitive_business_flows(callers: Callers) -> None:
    stranger = callers.ferry(phone_number="+9607999999")
    team = callers.notify_token("ferry-operator", "team")
    refused = callers.ask("POST", "/v2/notifications/sms", team, json=stranger)
    assert refused.status_code == 400
    assert "team-only" in refused.text

    once = {"Idempotency-Key": secrets.token_hex(8)}
    live = callers.notify_token("ferry-operator")
    sent = [
        callers.ask("POST", "/v2/notifications/sms", live, json=callers.ferry(), headers=once)
        for _ in range(3)
    ]
    assert len({one.json()["id"] for one in sent}) == 1

    owner = callers.person("hassan", "identity", "identity.apps")
    body = {
        "client_name": "Again",
        "grant_types": ["client_credentials"],
        "scope": "registers.read",
    }
    made = [callers.ask("POST", "/identity/clients", owner, json=body) for _ in range(12)]
    assert made[0].status_code == 201
    assert made[-1].status_code in (409, 429), made[-1].text
    for journey in ("/portal/licence", "/portal/developers/hooks", "/portal/sign-out"):
        answer = callers.ask("POST", journey, data={"application": "A-1"})
        assert answer.status_code == 403, journey  # a form of our own page, or nothing


def test_api6_unrestricted_access_to_sensitive_business_flows_by_guessing(
    callers: Callers,
) -> None:
    """Passwords cannot be tried in numbers: soon every answer says to wait."""
    for _ in range(25):
        answer = _try_password(callers, "zeena", secrets.token_hex(4))
        assert "atoll_identity" not in answer.cookies or answer.status_code >= 400
        if answer.status_code == 429:
            break
    else:
        pytest.fail("25 passwords were tried and nothing said to wait")
    assert int(answer.headers["Retry-After"]) > 0


def _try_password(callers: Callers, username: str, password: str) -> Any:
    page = callers.ask("GET", "/identity/sign-in")
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    return callers.ask(
        "POST",
        "/identity/sign-in",
        data=fields | {"username": username, "password": password, "code": "000000"},
        cookies=page.cookies,
        headers={"Origin": callers.url, "Accept": "text/html"},
    )
