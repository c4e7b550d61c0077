"""Calls a minute and messages a day: they hold also when many come at once, on either engine."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.domain import limits
from services.notify.limiter import Limiter
from services.notify.storage.tables import Notification, Service
from tests.notify.conftest import SERVICE_ID, SMS, Api, prepare
from tests.notify.test_messages import said
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

TOGETHER = 24


def limited(database: Database, **values: int) -> None:
    with database.transaction() as session:
        session.execute(update(Service).where(Service.id == SERVICE_ID).values(limits=values))


def test_the_defaults_are_the_contracts() -> None:
    assert limits.calls_a_minute({}) == 3000
    assert limits.bucket_size(3000) == 1000
    assert limits.bucket_size(30) == 11
    days = {kind: limits.a_day({}, kind, in_trial=False) for kind in limits.DEFAULTS}
    assert days | {"rate": 0} == {
        "rate": 0,
        "email": 250_000,
        "sms": 250_000,
        "international_sms": 100,
        "letter": 20_000,
    }
    assert limits.a_day({}, "sms", in_trial=True) == 50


def test_calls_that_come_too_soon_are_refused_before_they_are_read(
    api: Api, store: Database
) -> None:
    limited(store, rate=30)
    assert [api.sms().status_code for _ in range(11)] == [201] * 11
    refused = api.call("POST", "/v2/notifications/sms", b"{")
    assert said(refused) == (
        429,
        "RateLimitError",
        "Exceeded rate limit for key type LIVE of 30 requests per 60 seconds",
    )
    assert refused.headers["Retry-After"] == "2"
    assert api.call("GET", "/v2/notifications").status_code == 200, "reading is free"
    assert api.sms(key="test").status_code == 201, "each type of key has its own"
    api.clock.advance(seconds=2)
    assert [api.sms().status_code for _ in range(2)] == [201, 429]
    api.clock.advance(seconds=3600)
    assert [api.sms().status_code for _ in range(12)] == [201] * 11 + [429]


@pytest.mark.parametrize(("key", "shown"), [("team", "TEAM"), ("test", "TEST")])
def test_the_type_of_key_is_named(api: Api, store: Database, key: str, shown: str) -> None:
    limited(store, rate=0)
    api.sms(key=key)
    assert said(api.sms(key=key))[2] == (
        f"Exceeded rate limit for key type {shown} of 0 requests per 60 seconds"
    )


@pytest.mark.parametrize(("kind", "channel"), [("sms", "sms"), ("email", "email")])
def test_the_day_has_a_limit_and_ends_at_midnight(
    api: Api, store: Database, kind: str, channel: str
) -> None:
    limited(store, **{kind: 2})
    send = api.sms if channel == "sms" else api.email
    assert [send().status_code for _ in range(2)] == [201, 201]
    refused = send()
    assert said(refused) == (
        429,
        "TooManyRequestsError",
        f"Exceeded send limits ({kind}: 2) for today",
    )
    assert 0 < int(refused.headers["Retry-After"]) <= 86_401
    assert send(key="test").status_code == 201, "a test key counts to no limit"
    api.clock.advance(days=1)
    assert send().status_code == 201


def test_texts_abroad_have_a_limit_of_their_own(api: Api, store: Database) -> None:
    with store.transaction() as session:
        session.execute(update(Service).values(permissions=["sms", "international_sms"]))
    limited(store, international_sms=1)
    abroad = {"phone_number": "+33 6 12 34 56 78"}
    assert api.sms(abroad).status_code == 201
    assert said(api.sms(abroad))[2] == "Exceeded send limits (international_sms: 1) for today"
    assert api.sms().status_code == 201


def test_letters_and_smoke_tests_are_counted_as_the_contract_says(
    api: Api, store: Database
) -> None:
    limited(store, letter=0, sms=1)
    letter = {"template_id": SMS["template_id"], "personalisation": {}}
    answer = api.call("POST", "/v2/notifications/letter", letter)
    assert said(answer)[2] == "Exceeded send limits (letter: 0) for today"
    for _ in range(3):
        assert api.sms({"phone_number": "+44 7700 900000"}).status_code == 201
    assert [api.sms().status_code for _ in range(2)] == [201, 429]


def at_once(apis: list[Api]) -> list[int]:
    """Send from all of them at the same moment; return the statuses."""
    ready = threading.Barrier(len(apis))

    def send(api: Api) -> int:
        ready.wait(10)
        return int(api.sms().status_code)

    with ThreadPoolExecutor(len(apis)) as pool:
        return sorted(pool.map(send, apis))


def processes(database: Database, issuer: FakeIssuer, clock: FakeClock) -> list[Api]:
    """Two applications on one database, as two processes would be; each called many times."""
    made = prepare(database)
    apps = [
        create_app(made, database=database, verifier=issuer.verifier(), clock=clock)
        for _ in range(2)
    ]
    return [Api(apps[n % 2].test_client(), clock) for n in range(TOGETHER)]


def test_the_rate_holds_when_calls_come_at_once(
    database: Database, issuer: FakeIssuer, clock: FakeClock
) -> None:
    apis = processes(database, issuer, clock)
    limited(database, rate=30)
    assert at_once(apis) == [201] * 11 + [429] * (TOGETHER - 11)


def test_the_day_holds_when_calls_come_at_once(
    database: Database, issuer: FakeIssuer, clock: FakeClock
) -> None:
    apis = processes(database, issuer, clock)
    limited(database, sms=7)
    assert at_once(apis) == [201] * 7 + [429] * (TOGETHER - 7)
    with database.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(Notification)) == 7


def test_a_process_gives_back_what_it_did_not_spend(store: Database, clock: FakeClock) -> None:
    rate = 600  # a bucket of 201, ten a second
    one, other = Limiter(store, clock), Limiter(store, clock)
    assert one.passes(SERVICE_ID, "live", rate)
    clock.advance(seconds=60)
    for limiter in (one, other):
        assert limiter.passes(SERVICE_ID, "live", rate)
    passed = 2
    while one.passes(SERVICE_ID, "live", rate) or other.passes(SERVICE_ID, "live", rate):
        passed += 1
    assert passed == 201


def test_calls_pass_when_the_store_of_the_limits_is_away(clock: FakeClock, tmp_path: Any) -> None:
    nowhere = Database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    assert Limiter(nowhere, clock).passes(SERVICE_ID, "live", 1)
    nowhere.dispose()
