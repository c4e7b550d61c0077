"""Two providers of texts: chosen by weight, left alone while they fail, not tried twice."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.domain.breaker import PAUSE, Breaker
from services.notify.providers import Message, Outcome, Pool, Provider, Providers
from services.notify.providers.choice import make_providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.storage.tables import DeliveryAttempt, InboxMessage, Job, Notification
from services.notify.worker import Worker
from tests.conftest import GATEWAY_KEY
from tests.notify import simulating
from tests.notify.conftest import Api, settings
from tests.notify.simulating import Running
from tests.support.clock import FakeClock

RUNNING = threading.Event()


class Company:
    """A provider that fails while it is told to."""

    slowest_s = 0.0
    at_once = 50

    def __init__(self, name: str) -> None:
        self.name, self.fails, self.got = name, False, Counter[str]()

    def deliver(self, message: Message) -> Outcome:
        return self.deliver_all([message])[0]

    def deliver_all(self, messages: Any) -> list[Outcome]:
        if self.fails:
            return [Outcome(None, "answered 500", is_fault=True)] * len(messages)
        self.got.update(message.id for message in messages)
        return [Outcome("delivered")] * len(messages)

    def close(self) -> None:
        pass


def pool(clock: FakeClock, chance: float = 0.0) -> tuple[Company, Company, Pool]:
    first, second = Company("first"), Company("second")
    return first, second, Pool([(first, 2.0), (second, 1.0)], clock, lambda: chance)


def names(chosen: Iterator[Provider]) -> list[str]:
    return [each.name for each in chosen]


@pytest.mark.parametrize(("chance", "name"), [(0.0, "first"), (0.66, "first"), (0.67, "second")])
def test_a_provider_is_chosen_by_weight(clock: FakeClock, chance: float, name: str) -> None:
    assert pool(clock, chance)[2].choose(None).name == name


def test_the_one_just_tried_is_not_tried_again(clock: FakeClock) -> None:
    _, _, both = pool(clock)
    assert both.choose("first").name == "second"
    assert both.choose("second").name == "first"


def test_a_breaker_opens_after_failures_in_a_row_and_tries_once_a_pause(clock: FakeClock) -> None:
    breaker = Breaker()
    for failed in (True, False, True):
        breaker.record(clock.now(), failed=failed)
    assert breaker.is_closed
    breaker.record(clock.now(), failed=True)
    assert not breaker.is_closed
    assert not breaker.may_try(clock.now() + PAUSE - timedelta(seconds=1))
    assert breaker.may_try(clock.now() + PAUSE)
    assert not breaker.may_try(clock.now() + PAUSE)
    breaker.record(clock.now() + PAUSE, failed=False)
    assert breaker.is_closed


def test_no_message_waits_ten_seconds_while_a_provider_fails_for_a_minute(
    api: Api, store: Database, clock: FakeClock
) -> None:
    first, second, both = pool(clock)
    providers = Providers(Inbox(store, clock), Simulation(), None, None, both)
    worker = Worker(settings(store), store, providers, clock=clock, jitter=lambda: 1.0)
    first.fails = True
    for tick in range(140):
        if tick == 120:
            first.fails = False
        if tick % 4 == 0:
            api.sms()
        worker.work(RUNNING)
        clock.advance(seconds=0.5)
    with store.snapshot() as session:
        rows = session.scalars(select(Notification)).all()
        tries = Counter(session.scalars(select(DeliveryAttempt.provider)))
    assert len(rows) == 35
    assert {row.status for row in rows} == {"delivered"}
    assert max(row.sent_at - row.created_at for row in rows if row.sent_at) < timedelta(seconds=10)
    assert first.got
    assert len(second.got) >= 25
    assert tries["first"] < 20  # left alone but for one try a pause


def test_a_message_that_nobody_takes_backs_off(api: Api, store: Database, clock: FakeClock) -> None:
    first, second, both = pool(clock)
    first.fails = second.fails = True
    providers = Providers(Inbox(store, clock), Simulation(), None, None, both)
    worker = Worker(settings(store), store, providers, clock=clock, jitter=lambda: 1.0)
    sent = api.sms().json["id"]
    assert worker.work(RUNNING)
    assert worker.work(RUNNING)  # the other one at once
    assert not worker.work(RUNNING)
    clock.advance(hours=5)
    while worker.work(RUNNING):
        clock.advance(hours=1)
    shown = api.call("GET", f"/v2/notifications/{sent}").json
    assert shown["status"] == "technical-failure"
    assert shown["status_description"].startswith("No provider took the message")
    assert shown["provider_response"] == "answered 500"


@pytest.fixture
def simulator() -> Iterator[Running]:
    with simulating.running() as found:
        yield found


class Network:
    """The service, a worker and the simulated companies, on one clock."""

    def __init__(self, store: Database, clock: FakeClock, simulator: Running) -> None:
        made = settings(store, simulator_url=simulator.url)
        self.store, self.simulator = store, simulator
        self.app = create_app(made, database=store, clock=clock)
        self.api = Api(self.app.test_client(), clock)
        self.providers = make_providers(made, store, clock)
        self.worker = Worker(made, store, self.providers, clock=clock, jitter=lambda: 1.0)

    def work(self) -> None:
        while self.worker.work(RUNNING):
            pass
        self.providers.close()

    def report(self, provider: str, receipts: Any, given: str | None = None) -> Any:
        return self.api.client.post(
            f"/notify/receipts/{provider}",
            json={"receipts": receipts},
            headers={
                "Atoll-Gateway-Key": GATEWAY_KEY,
                "Authorization": f"Bearer {given or simulating.key()}",
            },
        )

    def report_all(self) -> int:
        taken = 0
        for provider, receipts in self.simulator.receipts():
            taken += self.report(provider, receipts).json["taken"]
        return taken


@pytest.fixture
def network(store: Database, clock: FakeClock, simulator: Running) -> Network:
    return Network(store, clock, simulator)


def test_a_text_is_handed_over_then_reported_and_arrives(network: Network) -> None:
    sent = network.api.sms().json["id"]
    network.work()
    shown = network.api.call("GET", f"/v2/notifications/{sent}").json
    assert (shown["status"], shown["completed_at"]) == ("sending", None)
    assert shown["sent_at"] is not None
    assert network.report_all() == 1
    shown = network.api.call("GET", f"/v2/notifications/{sent}").json
    assert (shown["status"], shown["provider_response"]) == ("delivered", "delivered")
    with network.store.snapshot() as session:
        assert session.scalars(select(InboxMessage.notification_id)).all() == [sent]
        assert session.scalars(select(Job.id).where(Job.done_at.is_(None))).all() == []


def test_a_receipt_that_comes_twice_changes_nothing(network: Network) -> None:
    for name in network.simulator.simulator.providers:
        network.simulator.behave(name, "twice")
    sent = network.api.sms().json["id"]
    network.work()
    [(provider, receipts)] = network.simulator.receipts()
    assert len(receipts) == 2
    assert network.report(provider, receipts).json == {"taken": 1, "ignored": 1}
    late = [{"reference": sent, "status": "permanent-failure"}]
    assert network.report(provider, late).json["taken"] == 0
    assert network.api.status(sent) == "delivered"


def test_a_receipt_may_come_before_the_worker_wrote_that_it_handed_over(network: Network) -> None:
    sent = network.api.sms().json["id"]
    carrier = network.providers.for_job(_claimed(network))
    real = carrier.deliver_all  # type: ignore[attr-defined]

    def answering_at_once(messages: Any) -> list[Outcome]:
        outcomes: list[Outcome] = real(messages)
        assert network.report_all() == 1
        return outcomes

    for name in network.simulator.simulator.providers:
        each = network.providers.named(name)
        assert each is not None
        each.deliver_all = answering_at_once if each is carrier else None  # type: ignore[attr-defined]
    network.worker._carrier = lambda job: carrier  # type: ignore[method-assign]
    network.work()
    assert network.api.status(sent) == "delivered"


def _claimed(network: Network) -> Any:
    from services.notify.storage import jobs

    with network.store.transaction() as session:
        [claimed] = jobs.claim(session, network.api.clock.now(), token="x", lease_s=1, limit=1)
        jobs.release(session, [claimed], network.api.clock.now())
    return claimed


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        ("+447700900002", "permanent-failure", "Nobody has this number or address."),
        ("+447700900003", "temporary-failure", "The recipient could not be reached"),
    ],
)
def test_failures_are_told_with_their_reason(
    network: Network, number: str, status: str, reason: str
) -> None:
    sent = network.api.sms({"phone_number": number}).json["id"]
    network.work()
    network.report_all()
    shown = network.api.call("GET", f"/v2/notifications/{sent}").json
    assert shown["status"] == status
    assert shown["status_description"].startswith(reason)
    assert shown["provider_response"] in ("unknown-number", "phone-off")


def test_a_rejected_text_fails_for_good_and_is_not_sent_to_the_other(network: Network) -> None:
    for name in network.simulator.simulator.providers:
        network.simulator.behave(name, "reject")
    sent = network.api.sms().json["id"]
    network.work()
    assert network.api.status(sent) == "permanent-failure"
    with network.store.snapshot() as session:
        assert len(session.scalars(select(DeliveryAttempt)).all()) == 1


@pytest.mark.parametrize("mode", ["fail", "busy"])
def test_a_failing_company_loses_its_texts_to_the_other(network: Network, mode: str) -> None:
    network.simulator.behave("coral", mode)
    sent = [network.api.sms().json["id"] for _ in range(6)]
    network.work()
    assert {network.api.status(each) for each in sent} == {"sending"}
    assert network.simulator.taken() == {"coral": 0, "reef": 6}


def test_without_a_receipt_a_text_fails_after_72_hours(network: Network, clock: FakeClock) -> None:
    from services.notify.errands import Errands

    for name in network.simulator.simulator.providers:
        network.simulator.behave(name, "silent")
    sent = network.api.sms().json["id"]
    network.work()
    errands = Errands(settings(network.store), network.store, clock=clock)
    clock.advance(hours=71, minutes=59)
    errands.work()
    assert network.api.status(sent) == "sending"
    clock.advance(minutes=2)
    errands.work()
    shown = network.api.call("GET", f"/v2/notifications/{sent}").json
    assert shown["status"] == "temporary-failure"
    assert "72 hours" in shown["status_description"]


def test_after_a_crash_the_provider_is_asked_before_anything_is_sent_again(
    network: Network, clock: FakeClock
) -> None:
    sent = network.api.sms().json["id"]

    def dying(*_: Any) -> None:
        raise SystemExit

    network.worker._settlement = dying  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        network.worker.work(RUNNING)
    network.providers.close()
    clock.advance(seconds=15)
    again = Network(network.store, clock, network.simulator)
    again.work()
    assert again.api.status(sent) == "sending"
    assert sum(network.simulator.taken().values()) == 1
    assert again.report_all() == 1
    assert again.api.status(sent) == "delivered"


def test_only_a_provider_that_was_handed_a_text_may_report_it(network: Network) -> None:
    sent = network.api.sms().json["id"]
    network.work()
    [(provider, receipts)] = network.simulator.receipts()
    other = {"coral": "reef", "reef": "coral"}[provider]
    assert network.report(other, receipts).json == {"taken": 0, "ignored": 1}
    assert network.api.status(sent) == "sending"


def test_receipts_need_the_providers_key(network: Network) -> None:
    assert network.report("coral", [], given="x" * 64).status_code == 401
    assert network.report("coral", [{"reference": 1}]).status_code == 422
    assert network.report("coral", []).json == {"taken": 0, "ignored": 0}


def test_the_lever_is_the_gateways_and_moves_a_provider(network: Network) -> None:
    lever = {"provider": "coral", "mode": "fail", "delay_ms": 20}
    assert network.api.call("POST", "/notify/operate/provider", json=lever).status_code == 404
    headers = {"Atoll-Caller": "urn:atoll:gateway"}

    def pull(what: Any) -> Any:
        return network.api.call("POST", "/notify/operate/provider", json=what, headers=headers)

    told = pull(lever).json["providers"]["coral"]
    assert (told["mode"], told["delay_ms"]) == ("fail", 20)
    assert pull({"mode": "explode"}).status_code == 422
    assert pull({"delay_ms": 10**9}).status_code == 422
    assert network.api.call("POST", "/notify/operate/reset", headers=headers).status_code == 204
    shown = network.api.call("GET", "/notify/operate/provider", headers=headers).json
    assert {each["mode"] for each in shown["providers"].values()} == {"ok"}


def test_the_simulator_lets_nobody_in_without_its_key(simulator: Running) -> None:
    import requests

    for method, path in (("GET", "/control"), ("POST", "/coral/messages"), ("POST", "/control")):
        answer = requests.request(method, simulator.url + path, json={}, timeout=5)
        assert answer.status_code == 401
    assert requests.get(simulator.url + "/readyz", timeout=5).status_code == 200


def test_a_lever_without_a_simulator_is_nothing(api: Api, store: Database) -> None:
    headers = {"Atoll-Caller": "urn:atoll:gateway"}
    assert api.call("GET", "/notify/operate/provider", headers=headers).status_code == 404


def test_a_texts_provider_shown_is_the_one_that_took_it(network: Network) -> None:
    network.api.sms()
    network.work()
    with network.store.transaction() as session:
        provider = session.scalars(select(Notification.provider)).one()
        session.execute(update(Job).values(last_error=None))
    assert network.simulator.taken()[str(provider)] == 1
