"""Who is let in: every row of the contract's table 1.1, and the clock's edges."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import delete, update

from servicekit.database import Database
from services.notify.storage.tables import ApiKey, Service
from tests.notify.conftest import KEYS, SERVICE_ID, Api, signed
from tests.support.clock import FakeClock

GENERAL = (
    "Invalid token: make sure your API token matches the example at "
    "https://docs.notifications.service.gov.uk/rest-api.html#authorisation-header"
)
CLOCK = "Error: Your system clock must be accurate to within 30 seconds"
NOT_FOUND = "Invalid token: API key not found"


def answer_to(api: Api, authorization: str | None) -> tuple[int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = api.client.get("/v2/notifications", headers={"Atoll-Gateway-Key": "k" * 64, **headers})
    if answer.status_code == 200:
        return 200, ""
    body = answer.json
    assert set(body) == {"status_code", "errors"}
    assert body["status_code"] == answer.status_code
    [error] = body["errors"]
    assert error["error"] == "AuthError"
    return answer.status_code, error["message"]


Make = Callable[[FakeClock], str]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda clock: "not-a-jwt", GENERAL),
        (lambda clock: "a.b.c", GENERAL),
        (lambda clock: signed(clock, aud="urn:x"), GENERAL),
        (lambda clock: signed(clock, exp=1), GENERAL),
        (lambda clock: signed(clock, exp="soon"), GENERAL),
        (lambda clock: signed(clock, iss=None), "Invalid token: iss field not provided"),
        (
            lambda clock: signed(clock, iss="fisheries"),
            "Invalid token: service id is not the right data type",
        ),
        (
            lambda clock: signed(clock, iss="00000000-0000-4000-8000-000000000000"),
            "Invalid token: service not found",
        ),
        (
            lambda clock: signed(clock, algorithm="HS512"),
            "Invalid token: algorithm used is not HS256",
        ),
        (
            lambda clock: jwt.encode(
                {"iss": SERVICE_ID, "iat": int(clock.now().timestamp())}, None, algorithm="none"
            ),
            "Invalid token: algorithm used is not HS256",
        ),
        (lambda clock: signed(clock, secret="5a6f1f0a-0000-4000-8000-00000000000f"), NOT_FOUND),
        (lambda clock: signed(clock, iat=None), NOT_FOUND),
        (lambda clock: signed(clock, iat=True), CLOCK),
        (lambda clock: signed(clock, iat=[1]), CLOCK),
        (lambda clock: signed(clock, iat=math.inf), CLOCK),
        (lambda clock: signed(clock, iat=math.nan), CLOCK),
        (lambda clock: signed(clock, iat=10**400), CLOCK),
    ],
)
@pytest.mark.filterwarnings("ignore:The HMAC key is")  # HS512 wants a longer one
def test_a_wrong_token_is_told_what_is_wrong(api: Api, make: Make, message: str) -> None:
    assert answer_to(api, f"Bearer {make(api.clock)}") == (403, message)


def test_a_call_without_a_token_is_not_authenticated(api: Api) -> None:
    provided = "Unauthorized: authentication token must be provided"
    scheme = "Unauthorized: authentication bearer scheme must be used"
    assert answer_to(api, None) == (401, provided)
    assert answer_to(api, "Basic eDp5") == (401, scheme)
    assert answer_to(api, f"bearer{signed(api.clock)}") == (401, scheme)
    assert answer_to(api, f"bEaReR {signed(api.clock)}") == (200, "")


@pytest.mark.parametrize(
    ("skew", "status"), [(-31, 403), (-30, 200), (0, 200), (29.6, 200), (30, 200), (31, 403)]
)
def test_clocks_may_differ_by_thirty_seconds_both_ways(api: Api, skew: float, status: int) -> None:
    token = signed(api.clock, iat=int(api.clock.now().timestamp()) + skew)
    code, message = answer_to(api, f"Bearer {token}")
    assert code == status
    assert message in ("", CLOCK)


@pytest.mark.parametrize("key_type", KEYS)
def test_every_key_of_the_service_opens(api: Api, key_type: str) -> None:
    assert answer_to(api, f"Bearer {signed(api.clock, key_type)}") == (200, "")


def test_a_revoked_key_is_named_for_a_week_and_then_unknown(
    api: Api, store: Database, clock: FakeClock
) -> None:
    with store.transaction() as session:
        session.execute(
            update(ApiKey)
            .where(ApiKey.id == KEYS["team"]["id"])
            .values(revoked_at=clock.now() - timedelta(hours=1))
        )
    revoked = "Invalid token: API key revoked"
    assert answer_to(api, f"Bearer {signed(clock, 'team')}") == (403, revoked)
    assert answer_to(api, f"Bearer {signed(clock, 'live')}") == (200, "")
    clock.advance(days=7)
    assert answer_to(api, f"Bearer {signed(clock, 'team')}") == (403, NOT_FOUND)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (delete(ApiKey), "Invalid token: service has no API keys"),
        (update(Service).values(is_active=False), "Invalid token: service is archived"),
    ],
)
def test_a_service_that_may_not_call_is_told(
    api: Api, store: Database, change: Any, message: str
) -> None:
    with store.transaction() as session:
        session.execute(change)
    assert answer_to(api, f"Bearer {signed(api.clock)}") == (403, message)


def test_the_gateways_key_is_needed_too(api: Api) -> None:
    answer = api.client.get(
        "/v2/templates", headers={"Authorization": f"Bearer {signed(api.clock)}"}
    )
    assert answer.status_code == 403
    assert answer.json["errors"][0]["error"] == "Forbidden"


def test_the_gateway_is_told_who_called(api: Api) -> None:
    assert api.call("GET", "/v2/templates").headers["Atoll-Caller"] == "fisheries"
    assert api.sms({"phone_number": "x"}).headers["Atoll-Caller"] == "fisheries"
