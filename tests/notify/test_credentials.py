"""Keys that end, that may do less, from some places only; keys that replace themselves."""

from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from servicekit.database import Database
from services.notify.storage.tables import ApiKey
from tests.conftest import GATEWAY_KEY
from tests.notify.conftest import KEYS, SERVICE_ID, SMS, Api
from tests.support.clock import FakeClock

LIVE = KEYS["live"]


def change(store: Database, **values: Any) -> None:
    with store.transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.id == LIVE["id"]).values(**values))


def refusal(answer: Any) -> str:
    assert answer.status_code == 403
    return str(answer.json["errors"][0]["message"])


def with_key(api: Api, key: str, path: str = "/v2/notifications", method: str = "GET") -> Any:
    return api.client.open(
        path,
        method=method,
        json=SMS if method == "POST" else None,
        headers={"Atoll-Gateway-Key": GATEWAY_KEY, "Authorization": f"ApiKey-v1 {key}"},
    )


def test_a_key_ends_when_it_expires(api: Api, store: Database, clock: FakeClock) -> None:
    from datetime import timedelta

    change(store, expires_at=clock.now() + timedelta(hours=1))
    assert api.sms().status_code == 201
    clock.advance(hours=1)
    assert refusal(api.sms()) == "Invalid token: API key expired"
    assert api.sms(key="team").status_code in (201, 400)
    clock.advance(days=7)
    assert refusal(api.sms()) == "Invalid token: API key not found"


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (None, {"send", "read", "templates", "callbacks", "manage"}),
        (["send"], {"send"}),
        (["read"], {"read"}),
        (["templates", "callbacks"], {"templates", "callbacks"}),
        (["manage"], {"manage"}),
        ([], set()),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    api: Api, store: Database, scopes: list[str] | None, may: set[str]
) -> None:
    change(store, scopes=scopes)
    calls = {
        "send": lambda: api.sms(),
        "read": lambda: api.call("GET", "/v2/templates"),
        "templates": lambda: api.call("POST", "/v2/templates/lint", {"type": "sms", "body": "a"}),
        "callbacks": lambda: api.call("GET", "/v2/callbacks"),
        "manage": lambda: api.call("GET", "/v2/api-keys"),
    }
    for scope, call in calls.items():
        answer = call()
        if scope in may:
            assert answer.status_code < 300, scope
        else:
            assert refusal(answer) == f"Invalid token: API key lacks the scope {scope}"


@pytest.mark.parametrize(
    ("address", "passes"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("192.0.3.7", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_a_key_bound_to_networks_works_from_there_alone(
    api: Api, store: Database, address: str, passes: bool
) -> None:
    change(store, networks=["192.0.2.0/24", "2001:db8::/32"])
    answer = api.sms(headers={"X-Forwarded-For": address})
    assert (answer.status_code == 201) is passes
    if not passes:
        assert refusal(answer) == "Invalid token: API key may not be used from this address"


def test_callers_who_cannot_sign_send_the_whole_key(api: Api) -> None:
    key = f"any-name-{SERVICE_ID}-{LIVE['secret']}"
    assert with_key(api, key).status_code == 200
    assert with_key(api, key, "/v2/notifications/sms", "POST").status_code == 201
    wrong = f"any-name-{SERVICE_ID}-{'0' * 8}-0000-4000-8000-{'0' * 12}"
    assert refusal(with_key(api, wrong)) == "Invalid token: API key not found"
    assert refusal(with_key(api, LIVE["secret"])).startswith("Invalid token: make sure")
    other = f"n-00000000-0000-4000-8000-000000000000-{LIVE['secret']}"
    assert refusal(with_key(api, other)) == "Invalid token: service not found"


def test_a_keys_last_use_is_noted_now_and_then(api: Api, store: Database, clock: FakeClock) -> None:
    def noted() -> Any:
        with store.snapshot() as session:
            return session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == LIVE["id"]))

    assert noted() is None
    api.sms()
    first = noted()
    assert first == clock.now()
    clock.advance(minutes=4)
    api.sms()
    assert noted() == first
    clock.advance(minutes=1)
    api.sms()
    assert noted() == clock.now()


def test_a_key_makes_its_successor_and_both_work_for_a_while(api: Api, clock: FakeClock) -> None:
    answer = api.call("POST", "/v2/api-keys/rotate", {"overlap_hours": 2, "expires_in_days": 90})
    assert answer.status_code == 201
    key = answer.json["key"]
    assert answer.json["replaces"]["id"] == LIVE["id"]
    assert answer.json["key_type"] == "live"
    assert api.sms().status_code == 201
    assert with_key(api, key).status_code == 200
    secret = key[-36:]
    token = jwt.encode({"iss": key[-73:-37], "iat": int(clock.now().timestamp())}, secret)
    headers = {"Authorization": f"Bearer {token}"}
    assert api.call("GET", "/v2/templates", headers=headers).status_code == 200
    clock.advance(hours=2)
    assert refusal(api.sms()) == "Invalid token: API key expired"
    assert with_key(api, key).status_code == 200
    clock.advance(days=90)
    assert refusal(with_key(api, key)) == "Invalid token: API key expired"


@pytest.mark.parametrize(
    "wish",
    [
        {"scopes": None},
        {"scopes": ["send", "read", "manage"]},
        {"networks": None},
        {"networks": ["0.0.0.0/0"]},
        {"expires_in_days": None},
        {"expires_in_days": 60},
    ],
)
def test_a_successor_may_not_do_more(
    api: Api, store: Database, clock: FakeClock, wish: dict[str, Any]
) -> None:
    from datetime import timedelta

    ends = {"created_at": clock.now(), "expires_at": clock.now() + timedelta(days=30)}
    change(store, scopes=["send", "read"], networks=["192.0.2.0/24"], **ends)
    headers = {"X-Forwarded-For": "192.0.2.1"}
    answer = api.call("POST", "/v2/api-keys/rotate", wish, headers=headers)
    assert refusal(answer).startswith("A key ")
    same = api.call("POST", "/v2/api-keys/rotate", {}, headers=headers).json
    assert (same["scopes"], same["networks"]) == (["send", "read"], ["192.0.2.0/24"])
    assert same["expires_at"] == "2026-04-02T05:00:00.000000Z"


def test_keys_are_listed_narrowed_and_revoked(api: Api) -> None:
    listed = api.call("GET", "/v2/api-keys").json["api_keys"]
    assert {key["key_type"] for key in listed} == {"live", "team", "test"}
    assert not any("secret" in key for key in listed)
    path = f"/v2/api-keys/{KEYS['team']['id']}"
    told = api.call("PATCH", path, {"scopes": ["read"], "networks": ["192.0.2.5"]}).json
    assert (told["scopes"], told["networks"]) == (["read"], ["192.0.2.5/32"])
    assert api.call("PATCH", path, {"networks": ["here"]}).status_code == 400
    assert api.call("PATCH", path, {"scopes": ["fly"]}).status_code == 400
    assert api.call("DELETE", path).status_code == 204
    team = {"X-Forwarded-For": "192.0.2.5"}
    answer = api.call("GET", "/v2/templates", key="team", headers=team)
    assert refusal(answer) == "Invalid token: API key revoked"
    assert api.call("DELETE", f"/v2/api-keys/{LIVE['id']}").status_code == 400
    other = "00000000-0000-4000-8000-000000000000"
    assert api.call("DELETE", f"/v2/api-keys/{other}").status_code == 404


def test_a_429_says_when_calls_pass_again(api: Api, store: Database) -> None:
    from services.notify.storage.tables import Service

    with store.transaction() as session:
        session.execute(update(Service).values(limits={"rate": 3, "sms": 5}))
    answers = [api.sms() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    headers = answers[2].headers
    assert headers["Retry-After"] == headers["RateLimit-Reset"] == "20"
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3", "0")
    assert headers["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert headers["RateLimit"] == '"minute";r=0;t=20'
