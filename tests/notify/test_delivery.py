"""What the worker does with what was accepted."""

import json
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from servicekit import migrate
from servicekit.database import Database
from servicekit.log import JsonFormatter
from services.notify.app import create_app
from services.notify.providers import Message, Outcome, Providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.storage.tables import DeliveryAttempt, InboxMessage, Job
from services.notify.worker import Worker
from tests.notify.conftest import Api, prepare, settings
from tests.support.clock import FakeClock

RUNNING = threading.Event()


class Carrier:
    """A provider that answers as told, and remembers what it got."""

    name = "fake"
    slowest_s = 0.0

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.got: list[Message] = []
        self.closed = 0

    def deliver(self, message: Message) -> Outcome:
        self.got.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome("delivered")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        self.closed += 1


def employ(store: Database, clock: FakeClock, carrier: Carrier, **changes: Any) -> Worker:
    providers = Providers(carrier, Simulation(), None)
    return Worker(settings(store, **changes), store, providers, clock=clock, jitter=lambda: 1.0)


def test_an_accepted_text_is_delivered(api: Api, worker: Worker) -> None:
    sent = api.sms().json["id"]
    assert api.status(sent) == "created"
    api.clock.advance(seconds=2)
    assert worker.work(RUNNING)
    shown = api.call("GET", f"/v2/notifications/{sent}").json
    assert shown["status"] == "delivered"
    assert shown["sent_at"] == shown["completed_at"] == "2026-03-03T05:00:02.000000Z"
    assert shown["cost_details"] == {
        "billable_sms_fragments": 2,
        "international_rate_multiplier": 1,
        "sms_rate": 0.0,
    }
    assert shown["is_cost_data_ready"]
    assert not worker.work(RUNNING)


def test_a_message_is_sending_while_its_carrier_has_it(
    api: Api, store: Database, clock: FakeClock
) -> None:
    sent = api.sms().json["id"]
    seen: list[str] = []

    class Watching(Carrier):
        def deliver(self, message: Message) -> Outcome:
            seen.append(api.status(message.id))
            with store.snapshot() as session:
                attempt = session.scalars(select(DeliveryAttempt)).one()
                seen.append(f"{attempt.provider} {attempt.number} {attempt.outcome}")
            return Outcome("delivered")

    employ(store, clock, Watching()).work(RUNNING)
    assert seen == ["sending", "fake 1 None"]
    assert api.status(sent) == "delivered"


def test_a_failing_carrier_is_tried_again_later_and_later(
    api: Api, store: Database, clock: FakeClock
) -> None:
    sent = api.sms().json["id"]
    carrier = Carrier(Outcome(None, "busy"), TimeoutError("to aishath"), Outcome("delivered"))
    worker = employ(store, clock, carrier)
    assert worker.work(RUNNING)
    assert not worker.work(RUNNING)
    clock.advance(seconds=10)
    assert worker.work(RUNNING)
    clock.advance(seconds=19)
    assert not worker.work(RUNNING)
    clock.advance(seconds=1)
    assert worker.work(RUNNING)
    assert api.status(sent) == "delivered"
    with store.snapshot() as session:
        attempts = session.scalars(select(DeliveryAttempt).order_by(DeliveryAttempt.number)).all()
    outcomes = ["try again", "try again", "delivered"]
    assert [attempt.outcome for attempt in attempts] == outcomes


def test_a_permanent_refusal_is_final(api: Api, store: Database, clock: FakeClock) -> None:
    sent = api.sms().json["id"]
    carrier = Carrier(Outcome("permanent-failure", "no such number"))
    worker = employ(store, clock, carrier)
    worker.work(RUNNING)
    clock.advance(hours=30)
    assert not worker.work(RUNNING)
    assert len(carrier.got) == 1
    shown = api.call("GET", f"/v2/notifications/{sent}").json
    assert (shown["status"], shown["sent_at"]) == ("permanent-failure", None)
    assert shown["completed_at"] is not None


@pytest.mark.parametrize(("channel", "hours"), [("sms", 4), ("email", 24)])
def test_a_message_that_nobody_takes_is_given_up(
    api: Api, store: Database, clock: FakeClock, channel: str, hours: int
) -> None:
    sent = (api.sms() if channel == "sms" else api.email()).json["id"]
    worker = employ(store, clock, Carrier(*[Outcome(None, "away")] * 200))
    started = clock.now()
    while worker.work(RUNNING):
        clock.advance(minutes=60)
    assert api.status(sent) == "technical-failure"
    assert clock.now() - started <= timedelta(hours=hours + 2)


def test_messages_of_a_test_key_end_as_their_address_says(
    api: Api, store: Database, clock: FakeClock
) -> None:
    carrier = Carrier()
    sent = {
        "delivered": api.sms(key="test"),
        "temporary-failure": api.sms({"phone_number": "+447700900003"}, key="test"),
        "permanent-failure": api.email({"email_address": "perm-fail@simulator.notify"}, key="test"),
    }
    employ(store, clock, carrier).work(RUNNING)
    assert {name: api.status(answer.json["id"]) for name, answer in sent.items()} == {
        name: name for name in sent
    }
    assert carrier.got == []


def test_a_batch_that_takes_too_long_is_given_back(
    api: Api, store: Database, clock: FakeClock
) -> None:
    for _ in range(3):
        api.sms()

    class Slow(Carrier):
        def deliver(self, message: Message) -> Outcome:
            clock.advance(seconds=10)
            return super().deliver(message)

    carrier = Slow()
    carrier.slowest_s = 10.0
    worker = employ(store, clock, carrier, lease_s=15)
    worker.work(RUNNING)
    assert len(carrier.got) == 1  # the second could outlive the lease of 15 s
    with store.snapshot() as session:
        held = session.scalar(select(func.count()).where(Job.lease_token.is_not(None)))
    assert held == 0
    worker.work(RUNNING)
    worker.work(RUNNING)
    assert len({message.id for message in carrier.got}) == 3


def test_a_worker_that_is_told_to_stop_gives_its_jobs_back(
    api: Api, store: Database, clock: FakeClock
) -> None:
    for _ in range(3):
        api.sms()
    stop = threading.Event()

    class Stopping(Carrier):
        def deliver(self, message: Message) -> Outcome:
            stop.set()
            return super().deliver(message)

    carrier = Stopping()
    employ(store, clock, carrier).run(stop)
    assert len(carrier.got) == 1
    assert carrier.closed
    employ(store, clock, carrier).work(RUNNING)
    assert len(carrier.got) == 3


def test_the_inbox_takes_a_message_once(api: Api, store: Database, clock: FakeClock) -> None:
    api.sms()

    class Dying(Inbox):
        """Delivers, and dies before anybody could write that down."""

        def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
            super().deliver_all(messages)
            raise SystemExit

    dying = Worker(
        settings(store), store, Providers(Dying(store, clock), Simulation(), None), clock=clock
    )
    with pytest.raises(SystemExit):
        dying.work(RUNNING)
    clock.advance(seconds=15)
    providers = Providers(Inbox(store, clock), Simulation(), None)
    assert Worker(settings(store), store, providers, clock=clock).work(RUNNING)
    with store.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(InboxMessage)) == 1
        assert session.scalars(select(Job.attempts)).all() == [2]


def test_a_reset_in_the_middle_of_a_batch_harms_nothing(
    api: Api, store: Database, clock: FakeClock
) -> None:
    api.sms()
    api.sms()

    class Resetting(Inbox):
        def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
            migrate.reset("services.notify", settings(store), store)
            return super().deliver_all(messages)

    providers = Providers(Resetting(store, clock), Simulation(), None)
    assert Worker(settings(store), store, providers, clock=clock).work(RUNNING)
    with store.snapshot() as session:
        for table in (InboxMessage, Job, DeliveryAttempt):
            assert session.scalar(select(func.count()).select_from(table)) == 0
    assert api.call("GET", "/v2/templates").status_code == 200


def test_the_logs_say_what_happened_and_about_nobody(
    api: Api, store: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    sent = api.sms({"reference": "my-reference"}).json["id"]
    employ(store, clock, Carrier(ValueError("+960 7000101"))).work(RUNNING)
    lines = [JsonFormatter("notify").format(record) for record in caplog.records]
    [attempt] = [json.loads(line) for line in lines if json.loads(line)["message"] == "attempted"]
    assert attempt["notification"] == sent
    assert attempt["error"] == "ValueError"
    for private in ("7000101", "Kandu Koe", "my-reference"):
        assert private not in "".join(lines)


def test_ready_says_whether_a_worker_is_alive(
    api: Api, worker: Worker, store: Database, clock: FakeClock
) -> None:
    def readiness() -> Any:
        return api.client.get("/readyz").json

    assert readiness() == {"status": "ready", "worker": "away"}
    stop = threading.Event()
    stop.set()
    worker._housekeeping()
    worker.run(stop)
    assert readiness() == {"status": "ready", "worker": "ready"}
    clock.advance(seconds=15)
    assert readiness() == {"status": "ready", "worker": "away"}


def test_a_service_without_a_database_is_not_ready(sqlite: Database) -> None:
    app = create_app(settings(sqlite), database=sqlite)
    assert app.test_client().get("/readyz").status_code == 503


def test_the_whole_way_works_on_both_engines(database: Database, clock: FakeClock) -> None:
    made = prepare(database)
    api = Api(create_app(made, database=database, clock=clock).test_client(), clock)
    sent = [api.sms({"reference": "both"}).json["id"], api.email({"reference": "both"}).json["id"]]
    providers = Providers(Inbox(database, clock), Simulation(), None)
    worker = Worker(made, database, providers, clock=clock)
    worker._housekeeping()
    assert worker.work(RUNNING)
    listed = api.call("GET", "/v2/notifications?reference=both&status=delivered").json
    assert {shown["id"] for shown in listed["notifications"]} == set(sent)
    again = api.call("GET", f"/v2/notifications?older_than={max(sent)}").json["notifications"]
    assert [shown["id"] for shown in again] == [min(sent)]
