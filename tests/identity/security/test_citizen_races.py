"""Eight at once, on both databases: what may be used once is used once."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from services.identity.domain.digests import random_id
from services.identity.storage import announcements, audit, factors, pending, recoveries, sessions
from services.identity.storage.citizen_tables import Announcement, Passkey, Recovery
from tests.identity.citizens import parts_of
from tests.identity.test_races import race

NOW = datetime(2026, 3, 3, tzinfo=UTC)
ONE_OF_EIGHT = [False] * 7 + [True]


@pytest.fixture
def sub(start_state: dict) -> str:
    return str(start_state["people"]["aishath"]["sub"])


def test_security_33_eight_uses_of_a_recovery_code(app_on_each: Flask, sub: str) -> None:
    database = parts_of(app_on_each).database
    with database.transaction() as session:
        factors.replace_recovery_codes(session, sub, ["a" * 64, "b" * 64])

    def take() -> bool:
        with database.transaction() as session:
            return factors.take_recovery_code(session, sub, "a" * 64, NOW)

    assert sorted(race(take)) == ONE_OF_EIGHT
    with database.snapshot() as session:
        assert factors.recovery_codes_left(session, sub) == 1


def test_security_34_eight_answers_to_one_challenge(app_on_each: Flask) -> None:
    database = parts_of(app_on_each).database

    def spend() -> bool:
        with database.transaction() as session:
            return factors.spend_challenge(session, "c" * 64, NOW + timedelta(minutes=1), NOW)

    assert sorted(race(spend)) == ONE_OF_EIGHT
    with database.transaction() as session:  # and what has expired is forgotten
        later = NOW + timedelta(minutes=2)
        assert factors.spend_challenge(session, "c" * 64, later + timedelta(minutes=1), later)


def test_security_34_eight_uses_of_one_counter(app_on_each: Flask, sub: str) -> None:
    database = parts_of(app_on_each).database
    with database.transaction() as session:
        factors.add_passkey(
            session,
            sub,
            credential_hash="d" * 64,
            credential_id=b"d",
            public_key=b"k",
            sign_count=4,
            device_bound=True,
            label="key",
            now=NOW,
        )
    with database.snapshot() as session:
        found = factors.passkey(session, "d" * 64)
    assert isinstance(found, Passkey)

    def use() -> bool:
        with database.transaction() as session:
            return factors.count_use(session, found, 5, NOW)

    assert sorted(race(use)) == ONE_OF_EIGHT


def recovery(sub: str) -> Recovery:
    return Recovery(
        id_hash="e" * 64,
        sub=sub,
        kind="password",
        message_hash="f" * 64,
        cancel_hash="0" * 64,
        tries=0,
        started_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        ready_at=None,
        ended_at=None,
    )


def test_security_37_eight_tries_and_eight_ends_of_a_recovery(app_on_each: Flask, sub: str) -> None:
    database = parts_of(app_on_each).database
    with database.transaction() as session:
        recoveries.add(session, recovery(sub), NOW)
    with database.snapshot() as session:
        found = recoveries.find(session, "e" * 64, NOW)
        assert found is not None
        assert recoveries.by_cancel_code(session, "0" * 64, NOW) is not None
        assert [one.id_hash for one in recoveries.of_person(session, sub, NOW)] == ["e" * 64]

    def try_it() -> bool:
        with database.transaction() as session:
            return recoveries.count_try(session, found, 5)

    def end() -> bool:
        with database.transaction() as session:
            return recoveries.end(session, found, NOW)

    assert race(try_it).count(True) == 5
    assert sorted(race(end)) == ONE_OF_EIGHT
    with database.snapshot() as session:
        assert recoveries.find(session, "e" * 64, NOW) is None
        assert recoveries.of_person(session, sub, NOW) == []


def test_eight_processes_send_each_message_once(app_on_each: Flask, sub: str) -> None:
    database = parts_of(app_on_each).database
    with database.transaction() as session:
        for _ in range(5):
            announcements.add(
                session,
                Announcement(
                    id=random_id(),
                    sub=sub,
                    channel="email",
                    sealed=b"x",
                    created_at=NOW,
                    due_at=NOW,
                    attempts=0,
                    state=announcements.WAITING,
                ),
            )

    def claim() -> list[str]:
        with database.transaction() as session:
            return [one.id for one in announcements.claim(session, NOW, timedelta(minutes=1), 2)]

    taken = [one for some in race(claim) for one in some]
    assert len(taken) == len(set(taken)) == 5
    with database.transaction() as session:
        announcements.settle(session, taken[0], announcements.SENT, NOW)
        announcements.forget_old(session, NOW + timedelta(seconds=1))
        assert announcements.next_due(session) == NOW + timedelta(minutes=1)


def test_security_26_a_renewed_session_keeps_its_name_and_its_end(
    app_on_each: Flask, sub: str
) -> None:
    database, idle = parts_of(app_on_each).database, timedelta(minutes=30)
    with database.transaction() as session:
        opened = sessions.open_session(session, "old", sub, NOW, timedelta(hours=1))
        sessions.know_device(session, "device", sub, NOW)
        sessions.know_device(session, "device", sub, NOW + timedelta(hours=1))
        later = NOW + timedelta(minutes=20)
        sessions.renew(session, opened, "new", later, acr="high", amr=["hwk"])
    with database.snapshot() as session:
        assert sessions.find(session, "old", later, idle) is None
        found = sessions.find(session, "new", later, idle)
        assert found is not None
        assert (found.id_hash, found.expires_at) == (opened.id_hash, NOW + timedelta(hours=1))
        assert (found.acr, found.amr, found.auth_time) == ("high", ["hwk"], later)
        assert [one.id_hash for one in sessions.of_person(session, sub, later, idle)] == [
            opened.id_hash
        ]
        assert sessions.is_known_device(session, "device", sub)
        assert not sessions.is_known_device(session, "", sub)


def test_events_and_pending_things_on_each_database(app_on_each: Flask, sub: str) -> None:
    database = parts_of(app_on_each).database
    with database.transaction() as session:
        for kind in ("signed-in", "sign-in-failed", "signed-in"):
            audit.record_event(session, kind, at=NOW, about=sub, details={"way": "password"})
        first = audit.last_but_one(session, sub, "signed-in")
        assert first is not None
        newest = audit.about_person(session, sub)
        assert [one.kind for one in newest] == ["signed-in", "sign-in-failed", "signed-in"]
        assert audit.about_person(session, sub, before=newest[1].id)[0].id == first.id
        assert audit.count_since(session, sub, ["sign-in-failed"], NOW - timedelta(1)) == 1
        pending.put(session, "browser", "codes", b"one", NOW, NOW + timedelta(minutes=1))
        pending.put(session, "browser", "codes", b"two", NOW, NOW + timedelta(minutes=1))
        assert pending.get(session, "browser", "codes", NOW) == b"two"
        assert pending.get(session, "browser", "codes", NOW + timedelta(minutes=1)) is None
        assert pending.get(session, "other", "codes", NOW) is None
