"""Messages about accounts reach notify, whatever dies on the way, once and only once."""

import dataclasses
import json
from typing import Any

import jwt
import pytest
from flask import Flask

from servicekit.outbound import Refused
from servicekit.problems import Unavailable
from services.identity.announcer import LEASE, MOST_ATTEMPTS, Announcer
from services.identity.settings import Settings
from services.identity.storage.citizen_tables import Announcement
from tests.identity.citizens import parts_of, person
from tests.support.clock import FakeClock

SERVICE, SECRET = "1" * 8 + "-2222-4333-8444-" + "5" * 12, "6" * 8 + "-7777-4888-8999-" + "0" * 12
NOTIFY = {"api_key": f"live-{SERVICE}-{SECRET}", "templates": {"email": "e", "sms": "s"}}


class FakeNotify:
    """Takes messages, or fails as it is told to; remembers what it was asked."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.failures: list[Exception] = []

    def send(self, method: str, path: str, *, headers: dict, json: dict) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append((path, json, headers))


@pytest.fixture
def notify() -> FakeNotify:
    return FakeNotify()


@pytest.fixture
def announcer(app: Flask, settings: Settings, clock: FakeClock, notify: FakeNotify) -> Announcer:
    parts = parts_of(app)
    with_notify = dataclasses.replace(settings, notify=json.dumps(NOTIFY))
    return Announcer(with_notify, parts.database, clock, parts.vault, notify)  # type: ignore[arg-type]


def announce(app: Flask, announcer: Announcer) -> None:
    with parts_of(app).database.transaction() as session:
        announcer.announce(session, person(app, "aishath"), "Something", "It happened.")


def states(app: Flask) -> list[str]:
    with parts_of(app).database.snapshot() as session:
        return [row.state for row in session.query(Announcement)]


def test_a_message_goes_to_each_channel_signed_with_identitys_own_key(
    app: Flask, announcer: Announcer, notify: FakeNotify, clock: FakeClock
) -> None:
    announce(app, announcer)
    assert announcer.deliver_due() == 2
    sent = {path: (body, headers) for path, body, headers in notify.taken}
    email, headers = sent["/v2/notifications/email"]
    assert email["email_address"] == "aishath@people.example"
    assert email["personalisation"] == {"subject": "Something", "body": "It happened."}
    text, _ = sent["/v2/notifications/sms"]
    assert text["phone_number"] == "+9607000101"
    token = headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_iat": False})
    assert claims == {"iss": SERVICE, "iat": int(clock.now().timestamp())}
    assert len({headers["Idempotency-Key"] for _, _, headers in notify.taken}) == 2
    assert announcer.deliver_due() == 0
    assert states(app) == ["sent", "sent"]


def test_what_notify_cannot_take_now_is_taken_later(
    app: Flask, announcer: Announcer, notify: FakeNotify, clock: FakeClock
) -> None:
    notify.failures = [Unavailable("away"), Unavailable("away")]
    announce(app, announcer)
    assert announcer.deliver_due() == 0
    assert announcer.deliver_due() == 0  # not due yet
    clock.advance(seconds=2)
    assert announcer.deliver_due() == 2
    assert states(app) == ["sent", "sent"]


def test_a_killed_process_leaves_its_messages_to_the_next(
    app: Flask, announcer: Announcer, notify: FakeNotify, clock: FakeClock
) -> None:
    announce(app, announcer)
    notify.failures = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        announcer.deliver_due()
    assert announcer.deliver_due() == 0
    clock.advance(seconds=LEASE.total_seconds())
    assert announcer.deliver_due() == 2
    keys = [headers["Idempotency-Key"] for _, _, headers in notify.taken]
    assert len(set(keys)) == 2


def test_an_address_that_is_none_is_given_up(
    app: Flask, announcer: Announcer, notify: FakeNotify
) -> None:
    notify.failures = [Refused(400, {"detail": "not an address"})]
    announce(app, announcer)
    assert announcer.deliver_due() == 1
    assert sorted(states(app)) == ["given-up", "sent"]


def test_after_days_of_failure_it_is_given_up(
    app: Flask, announcer: Announcer, notify: FakeNotify, clock: FakeClock
) -> None:
    announce(app, announcer)
    for _ in range(MOST_ATTEMPTS):
        notify.failures = [Unavailable("away"), Unavailable("away")]
        announcer.deliver_due()
        clock.advance(hours=6)
    assert states(app) == ["given-up", "given-up"]
    assert notify.taken == []


def test_messages_for_nobody_are_never_sent(
    app: Flask, announcer: Announcer, notify: FakeNotify
) -> None:
    with parts_of(app).database.transaction() as session:
        announcer.announce_to_nobody(session, "Something", "It happened.")
    assert announcer.deliver_due() == 0
    assert notify.taken == []
    assert states(app) == ["given-up", "given-up"]


def test_messages_rest_sealed(app: Flask, announcer: Announcer) -> None:
    announce(app, announcer)
    with parts_of(app).database.snapshot() as session:
        for row in session.query(Announcement):
            assert b"happened" not in row.sealed
            assert b"aishath" not in row.sealed
