"""Forgetting: messages go at the end of their time, their statistics stay, weeks' keys are lost."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import func, select

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.domain import keeping
from services.notify.errands import Errands
from services.notify.providers.choice import make_providers
from services.notify.storage.delivery_tables import Statistic
from services.notify.storage.tables import (
    DeliveryAttempt,
    InboxMessage,
    Job,
    Letter,
    Notification,
    Service,
)
from services.notify.vault import Vault
from services.notify.worker import Worker
from tests.notify.conftest import SERVICE_ID, TEMPLATES, Api, prepare
from tests.support.clock import FakeClock

RUNNING = threading.Event()


def count(database: Database, table: Any) -> int:
    with database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


class Kept:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        made = prepare(database)
        self.database, self.clock = database, clock
        self.api = Api(create_app(made, database=database, clock=clock).test_client(), clock)
        providers = make_providers(made, database, clock)
        self.worker = Worker(made, database, providers, clock=clock, jitter=lambda: 1.0)
        self.errands = Errands(made, database, clock=clock)

    def deliver(self) -> None:
        while self.worker.work(RUNNING):
            pass

    def pass_(self, **duration: float) -> None:
        self.clock.advance(**duration)
        self.errands.tidy()


@pytest.fixture
def kept(database: Database, clock: FakeClock) -> Kept:
    return Kept(database, clock)


def letter() -> dict[str, Any]:
    lines = {"address_line_1": "A", "address_line_2": "B", "address_line_3": "K. Thulusdhoo"}
    return {
        "template_id": TEMPLATES["letter"],
        "personalisation": {"licence": "L", "vessel": "V", **lines},
    }


def test_messages_go_after_seven_days_and_statistics_stay(kept: Kept) -> None:
    sent = kept.api.sms().json["id"]
    kept.api.email()
    kept.api.call("POST", "/v2/notifications/letter", letter())
    kept.deliver()
    kept.pass_(days=6, hours=23)
    assert count(kept.database, Notification) == 3
    kept.pass_(hours=2)
    for table in (Notification, Job, DeliveryAttempt, InboxMessage, Letter):
        assert count(kept.database, table) == 0
    assert kept.api.call("GET", f"/v2/notifications/{sent}").status_code == 404
    with kept.database.snapshot() as session:
        rows = session.scalars(select(Statistic).order_by(Statistic.channel)).all()
    assert [(row.channel, row.status, row.count, row.in_time) for row in rows] == [
        ("email", "delivered", 1, 1),
        ("letter", "delivered", 1, 1),
        ("sms", "delivered", 1, 1),
    ]
    assert rows[2].fragments == 2
    kept.api.sms()
    kept.deliver()
    kept.pass_(days=8)
    with kept.database.snapshot() as session:
        assert session.scalar(select(func.sum(Statistic.count))) == 4


def test_a_service_says_how_long(kept: Kept) -> None:
    assert kept.api.call("GET", "/v2/retention").json == {"sms": 7, "email": 7, "letter": 7}
    told = kept.api.call("PATCH", "/v2/retention", {"sms": 3, "email": 90})
    assert told.json == {"sms": 3, "email": 90, "letter": 7}
    for wrong in ({"sms": 2}, {"sms": 91}, {"sms": "7"}, {"fax": 7}):
        assert kept.api.call("PATCH", "/v2/retention", wrong).status_code == 400
    kept.api.sms()
    kept.api.email()
    kept.deliver()
    kept.pass_(days=4)
    with kept.database.snapshot() as session:
        assert session.scalars(select(Notification.channel)).all() == ["email"]
    kept.pass_(days=87)
    assert count(kept.database, Notification) == 0


def test_what_is_still_on_its_way_is_kept(kept: Kept) -> None:
    kept.api.call("PATCH", "/v2/retention", {"sms": 3})
    when = (kept.clock.now() + timedelta(days=6)).isoformat()
    sent = kept.api.sms({"scheduled_for": when}).json["id"]
    kept.pass_(days=5)
    assert kept.api.status(sent) == "created"
    kept.clock.advance(days=1)
    kept.deliver()
    assert kept.api.status(sent) == "delivered"
    kept.pass_(minutes=30)
    assert count(kept.database, Notification) == 0


def test_each_week_seals_with_its_own_key_and_old_keys_are_thrown_away(kept: Kept) -> None:
    def keyring() -> dict[str, str]:
        with kept.database.snapshot() as session:
            found = session.scalar(select(Service.keyring).where(Service.id == SERVICE_ID))
        return found or {}

    kept.pass_(minutes=1)
    first = keyring()
    assert list(first) == [str(keeping.week(kept.clock.now()))]
    sent = kept.api.sms().json["id"]
    with kept.database.snapshot() as session:
        sealed = session.scalars(select(Notification.sealed)).one()
        sealed_key = session.scalar(select(Service.sealed_key).where(Service.id == SERVICE_ID))
    vault = Vault(bytes(range(32)))
    place = f"notification/{sent}"
    assert vault.of(SERVICE_ID, sealed_key, first).open(place, sealed)["recipient"]
    kept.deliver()
    kept.pass_(weeks=1)
    assert len(keyring()) == 2
    assert kept.api.status(sent) == "delivered"
    for _ in range(20):
        kept.pass_(weeks=1)
    later = keyring()
    assert not set(first) & set(later)
    # a copy of the message in a backup opens with none of the keys that are left
    with pytest.raises(InvalidTag):
        vault.of(SERVICE_ID, sealed_key, later).open(place, sealed)


def test_no_key_goes_while_it_can_be_needed() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    keyring: dict[str, str] = {}
    for day in range(400):
        now = start + timedelta(days=day)
        keyring = keeping.still_needed(keyring, now) | {str(keeping.week(now)): "key"}
        oldest = start + timedelta(days=max(0, day - keeping.LONGEST - 7))
        assert str(keeping.week(oldest)) in keyring
        assert len(keyring) < 20


def test_what_was_sealed_before_there_were_weeks_still_opens() -> None:
    vault = Vault(bytes(range(32)))
    sealed_key = vault.new_key("s")
    old = vault.of("s", sealed_key)
    ring = {"300": old.new_week_key(300)}
    for number in range(600):  # some begin with the letter that marks a week
        sealed = old.seal("p", number)
        assert vault.of("s", sealed_key, ring).open("p", sealed) == number
