"""Rate limits: who pays, what callers are told, and how exactly workers count together."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import storage
from gateway.app import ROUTES
from gateway.limits.counting import MOST_PAYERS, Limits, network_of
from gateway.limits.plans import Plans, read_plans
from gateway.routing import Route, load_routes, read_route
from servicekit.database import Database
from servicekit.problems import TooManyRequests
from servicekit.tokens import Token
from tests.gateway.harness import Answer, Door, door, in_loop, until

FIGURES: dict[str, Any] = {
    "period_s": 60, "plans": {"trial": 10, "standard": 500, "platform": 10_000}, "person": 4,
    "address": 6, "visitor": 20,
}  # fmt: skip
OPEN = Route("/a", ("GET",), "registers", auth="optional")
SCOPED = Route("/b", ("GET",), "registers", auth="token", scopes=("s",))
OWN = Route("/c", ("GET",), "registers", auth="token", scopes=("s",), pays="person")
PAGE = Route("/d", ("GET",), "portal", cookies=("atoll_portal",))
FREE = Route("/v2/x", ("GET",), "notify", auth="upstream", errors="notify-v2")


def token(client_id: str = "client", person: str | None = None) -> Token:
    nothing: frozenset[str] = frozenset()
    return Token(person or client_id, client_id, nothing, nothing, "j", 0, {})


class Counter:
    """One worker's limits over a database of its own or shared."""

    def __init__(self, database: Database, plans: Plans, plan: str = "trial") -> None:
        self.now = 6_000_000_000.0
        self.limits = Limits(plans, lambda _: plan, database, b"k" * 32, now=lambda: self.now)

    async def take(
        self, route: Route = OPEN, given: Token | None = None, address: str = "192.0.2.1"
    ) -> dict[str, str] | None:
        try:
            headers = await self.limits.take(route, given, address)
        except TooManyRequests:
            return None
        return {name.decode(): value.decode() for name, value in headers}

    async def admitted(self, tries: int, *arguments: Any) -> int:
        return sum([await self.take(*arguments) is not None for _ in range(tries)])


@pytest.fixture
def database(database: Database) -> Database:
    storage.metadata.create_all(database.engine)
    return database


@pytest.fixture
def counter(database: Database) -> Counter:
    return Counter(database, read_plans(FIGURES))


@in_loop
async def _said(counter: Counter) -> None:
    counter.now += 25
    first = await counter.take(given=token())
    assert first == {
        "ratelimit-policy": '"trial";q=10;w=60',
        "ratelimit": '"trial";r=9;t=35',
        "ratelimit-limit": "10",
        "ratelimit-remaining": "9",
        "ratelimit-reset": "35",
    }
    assert await counter.admitted(20, OPEN, token()) == 9
    counter.now += 34
    assert await counter.take(given=token()) is None
    counter.now += 1  # the next period
    assert await counter.take(given=token()) is not None


def test_callers_are_told_what_is_left_and_when_to_go_on(counter: Counter) -> None:
    _said(counter)


@in_loop
async def _paid(counter: Counter) -> None:
    assert await counter.admitted(9, OPEN, None, "192.0.2.1") == 6  # by address
    assert await counter.admitted(9, OPEN, None, "192.0.2.2") == 6
    assert await counter.admitted(12, OPEN, token("one")) == 10  # by client
    assert await counter.admitted(12, SCOPED, token("two")) == 10
    assert await counter.admitted(6, SCOPED, token("three", "person-1")) == 4  # and by person
    assert await counter.admitted(6, SCOPED, token("three", "person-2")) == 4
    assert await counter.admitted(6, SCOPED, token("three", "person-3")) == 2  # the client's last
    assert await counter.admitted(6, OWN, token("three", "person-4")) == 4  # the person alone
    assert await counter.admitted(25, PAGE, None, "192.0.2.1") == 20
    assert await counter.admitted(99, FREE) == 99


def test_each_route_says_who_pays(counter: Counter) -> None:
    _paid(counter)


@in_loop
async def _tightest(counter: Counter) -> None:
    said = await counter.take(SCOPED, token("c", "p"))
    assert said is not None
    assert said["ratelimit-policy"] == '"trial";q=10;w=60, "person";q=4;w=60'
    assert said["ratelimit"].startswith('"person";r=3;')


def test_of_two_limits_the_tighter_is_told(counter: Counter) -> None:
    _tightest(counter)


def test_a_caller_with_many_ipv6_addresses_is_one() -> None:
    assert network_of("2001:db8:1:2:3::1") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("unknown") == "unknown"


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_together_admit_the_quota_and_at_most_two_leases_more_for_each_beyond_the_first(
    database: Database, workers: int
) -> None:
    plans, quota = read_plans(FIGURES), 500
    lease = quota // 100
    counters = [Counter(database, plans, "standard") for _ in range(workers)]

    @in_loop
    async def run() -> None:
        chooser = random.Random(5)
        passed = 0
        for _ in range(quota + 400):
            passed += await chooser.choice(counters).take(SCOPED, token()) is not None
        assert quota <= passed <= quota + (workers - 1) * 2 * lease
        # small callers never cost a transaction
        before = [counter.limits.reports for counter in counters]
        assert await counters[0].admitted(lease - 1, SCOPED, token("small")) == lease - 1
        assert [counter.limits.reports for counter in counters] == before

    run()


@in_loop
async def _alone(database: Database, counter: Counter) -> None:
    with database.transaction() as session:
        session.execute(text("ALTER TABLE counted_calls RENAME TO away"))
    assert await counter.admitted(15, OPEN, token()) == 10
    await until(lambda: not counter.limits._works)
    with database.transaction() as session:
        session.execute(text("ALTER TABLE away RENAME TO counted_calls"))
    counter.now += 60
    assert await counter.take(OPEN, token()) is not None
    await until(lambda: counter.limits._works)


def test_without_the_database_each_worker_counts_for_itself(
    database: Database, counter: Counter
) -> None:
    _alone(database, counter)


@in_loop
async def _hidden(database: Database, counter: Counter) -> None:
    await counter.take(OWN, token("c", "person-secret"))
    await counter.take(OPEN, None, "192.0.2.99")
    await counter.limits.stop()
    with database.snapshot() as session:
        stored = str(session.execute(text("SELECT payer FROM counted_calls")).all())
    assert "person:" in stored
    assert "address:" in stored
    assert "secret" not in stored
    assert "192.0.2.99" not in stored


def test_persons_and_addresses_are_not_stored_as_they_are(
    database: Database, counter: Counter
) -> None:
    _hidden(database, counter)


@in_loop
async def _old(database: Database, counter: Counter) -> None:
    await counter.take(OPEN, token())
    await counter.limits.stop()
    counter.now += 200
    await counter.take(OPEN, token())
    await counter.limits.stop()
    with database.snapshot() as session:
        assert len(session.execute(text("SELECT payer FROM counted_calls")).all()) == 1


def test_old_counts_are_forgotten(database: Database, counter: Counter) -> None:
    _old(database, counter)


@in_loop
async def _flood(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.counting.MOST_PAYERS", 50)
    assert MOST_PAYERS >= 10_000
    for n in range(50):
        assert await counter.take(OPEN, None, f"192.0.2.{n}") is not None
    assert await counter.admitted(30, OPEN, None, "198.51.100.1") == 6
    assert await counter.take(OPEN, None, "198.51.100.2") is None  # shares with the others
    assert await counter.take(OPEN, None, "192.0.2.3") is not None
    counter.now += 60
    assert await counter.take(OPEN, None, "198.51.100.2") is not None
    assert len(counter.limits._counts) <= 51


def test_a_flood_of_addresses_takes_no_memory(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    _flood(counter, monkeypatch)


# -- through the door


async def many(it: Door, number: int, headers: dict[str, str] | None = None) -> list[Answer]:
    return await asyncio.gather(*(it.get("/registers", headers) for _ in range(number)))


@in_loop
async def test_beyond_the_limit_a_caller_gets_429_and_others_go_on(tmp_path: Path) -> None:
    async with door(tmp_path, limit_factor=0.01) as it:  # an address: 60 a minute
        answers = await many(it, 70)
        assert {answer.status for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.slug == "too-many-requests"
        assert refused.header("ratelimit-remaining") == "0"
        assert refused.header("retry-after") == refused.header("ratelimit-reset")
        assert refused.header("ratelimit-policy") == '"address";q=60;w=60'
        assert len(it.asked("registers")) in (60, 70)  # 70 where a minute ended in between
        named = it.issuer.headers("registers", client_id="fisheries")
        answer = await it.get("/registers", named)
        assert answer.status == 200
        assert str(answer.header("ratelimit-policy")).startswith('"trial";q=6;')
        assert (await it.caller("198.51.100.9").get("/registers")).status == 200
        assert (await it.call("POST", "/v2/notifications/sms", {}, b"{}")).status == 200
        assert (await it.get("/healthz")).status == 200
        reasons = [entry["reason"] for entry in await it.log()]
        assert "too-many-requests" in reasons


@in_loop
async def test_a_plan_in_the_directory_changes_the_limit_at_once(tmp_path: Path) -> None:
    async with door(tmp_path, limit_factor=0.01) as it:
        named = it.issuer.headers("registers", client_id="fisheries")
        with it.database.transaction() as session:
            storage.keep_plan(session, "fisheries", "platform")
        it.plane.rules.directory.read()
        answer = await it.get("/registers", named)
        assert answer.header("ratelimit-limit") == "6000"


def test_the_routes_of_the_platform_pay_as_they_should() -> None:
    by_path: dict[str, Route] = {}
    for route in load_routes(ROUTES).routes:
        by_path.setdefault(route.path, route)
        if route.path.startswith("/v2/"):
            assert route.payer == "nobody"  # wire section 6
    assert by_path["/healthz"].payer == by_path["/readyz"].payer == "nobody"
    assert by_path["/"].payer == by_path["/identity/sign-in"].payer == "visitor"
    assert by_path["/identity/token"].payer == "address"
    assert by_path["/registers"].payer == by_path["/exchanges"].payer == "client"
    assert by_path["/notify/inbox"].payer == "person"


@pytest.mark.parametrize("line", [{"pays": "somebody"}, {"pays": "client"}])
def test_a_route_whose_payer_makes_no_sense_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="pays"):
        read_route({"path": "/x", "methods": ["GET"], "service": "s", "quiet": True} | line)


@pytest.mark.parametrize(
    "change", [{"person": 0}, {"person": "9"}, {"plans": {"trial": 1}}, {"more": 1}]
)
def test_figures_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="plans"):
        read_plans(FIGURES | change)
