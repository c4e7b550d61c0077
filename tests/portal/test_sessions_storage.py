"""The sessions' tables, on both engines."""

import pytest

from servicekit import migrate
from servicekit.database import Database
from services.portal import storage


@pytest.fixture
def portal_database(database: Database) -> Database:
    migrate.upgrade("services.portal", database)
    return database


def test_a_sign_in_is_taken_once_by_its_browser_in_time(portal_database: Database) -> None:
    with portal_database.transaction() as session:
        storage.remember_sign_in(session, "s" * 64, "b" * 64, b"sealed", 100, 200)
    with portal_database.transaction() as session:
        assert storage.take_sign_in(session, "s" * 64, "x" * 64, 150) is None
        assert storage.take_sign_in(session, "s" * 64, "b" * 64, 200) is None
        assert storage.take_sign_in(session, "s" * 64, "b" * 64, 150) == b"sealed"
    with portal_database.transaction() as session:
        assert storage.take_sign_in(session, "s" * 64, "b" * 64, 150) is None


def test_what_nobody_finished_is_forgotten(portal_database: Database) -> None:
    with portal_database.transaction() as session:
        storage.remember_sign_in(session, "1" * 64, "b" * 64, b"old", 100, 200)
        storage.open_session(session, "1" * 64, b"old", 100, 200)
    with portal_database.transaction() as session:
        storage.remember_sign_in(session, "2" * 64, "b" * 64, b"new", 300, 400)
        storage.open_session(session, "2" * 64, b"new", 300, 400)
    with portal_database.snapshot() as session:
        assert session.get(storage.SignInRow, "1" * 64) is None
        assert session.get(storage.SessionRow, "1" * 64) is None
        assert storage.find_session(session, "2" * 64, 300) == storage.Stored(b"new", 0)
        assert storage.find_session(session, "2" * 64, 400) is None


def test_one_request_renews_at_a_time(portal_database: Database) -> None:
    key = "k" * 64
    with portal_database.transaction() as session:
        storage.open_session(session, key, b"0", 100, 900)
        assert storage.claim_renewal(session, key, 0, 100, 115)
        assert not storage.claim_renewal(session, key, 0, 101, 116)
    with portal_database.transaction() as session:
        storage.keep_renewed(session, key, b"1")
        assert storage.find_session(session, key, 120) == storage.Stored(b"1", 1)
        assert not storage.claim_renewal(session, key, 0, 120, 135), "it saw an older version"
        assert storage.claim_renewal(session, key, 1, 120, 135)
    with portal_database.transaction() as session:
        storage.keep_renewed(session, key, None)
        assert storage.find_session(session, key, 121) == storage.Stored(b"1", 1)
        assert storage.claim_renewal(session, key, 1, 121, 136)
    with portal_database.transaction() as session:
        assert storage.claim_renewal(session, key, 1, 136, 150), "the other one never came back"
        storage.close_session(session, key)
        assert storage.find_session(session, key, 136) is None


def test_readiness_asks_the_database(portal_database: Database) -> None:
    storage.check(portal_database)
