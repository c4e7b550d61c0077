"""What identity's tables promise, on SQLite and on PostgreSQL."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import IntegrityError

from servicekit.database import Database, empty
from services.identity import start_state as seed
from services.identity.settings import Settings
from services.identity.storage import (
    agreements,
    clients,
    feed,
    grants,
    metadata,
    people,
    sessions,
)
from services.identity.storage.tables import Client, Code, Grant, Person, RefreshToken

NOW = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
ODD = ["", "a\0b", "\0", "ދިވެހި", "x" * 5000, "' OR 1=1 --", "%", "_"]


def grant_row(sub: str, session_hash: str = "s", hours: int = 8) -> Grant:
    return Grant(
        id="g" * 22,
        client_id="portal",
        sub=sub,
        session_hash=session_hash,
        scope="openid",
        resources=[],
        auth_time=NOW,
        acr="substantial",
        amr=["pwd"],
        sid="s" * 43,
        expires_at=NOW + timedelta(hours=hours),
        revoked_at=None,
    )


@pytest.fixture
def sub(start_state: dict) -> str:
    return start_state["people"]["aishath"]["sub"]


def test_the_start_state_is_what_the_seed_says(each_database: Database, start_state: dict) -> None:
    with each_database.snapshot() as session:
        aishath = people.by_username(session, "aishath")
        assert aishath is not None
        assert aishath.sub == start_state["people"]["aishath"]["sub"]
        assert session.query(Person).count() == 5
        portal = clients.find(session, "portal")
        assert portal is not None
        assert portal.redirect_uris == ["http://localhost:8000/portal/callback"]
        assert "likes boats" not in aishath.password_hash
        assert start_state["people"]["aishath"]["totp_secret"].encode() not in aishath.totp_secret
        assert not seed.is_empty(session)


def test_an_empty_platform_has_a_feed_and_nobody(
    each_database: Database, settings: Settings
) -> None:
    settings = dataclasses.replace(settings, start_state=None)
    with each_database.transaction() as session:
        empty(session, metadata)
        assert seed.is_empty(session)
        seed.load(session, settings)
    with each_database.snapshot() as session:
        assert session.query(Person).count() == session.query(Client).count() == 0
        assert feed.page(session, 0)["events"] == []


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_find_nothing_and_break_nothing(each_database: Database, text: str) -> None:
    with each_database.transaction() as session:
        assert people.by_username(session, text) is None
        assert people.by_subject(session, text) is None
        assert clients.find(session, text) is None
        assert agreements.find(session, text, text) is None
        assert list(agreements.to_client(session, "fisheries", text, None)) == []
        assert grants.take_code(session, text, "portal", NOW) is None
        assert grants.find_refresh_token(session, text, "portal") is None
        assert sessions.find(session, text, NOW, timedelta(hours=1)) is None
        assert sessions.start_attempt(session, text, NOW) == timedelta()


def test_moments_come_back_as_utc_whatever_zone_they_came_in(
    each_database: Database, sub: str
) -> None:
    maldives = NOW.astimezone(timezone(timedelta(hours=5)))
    with each_database.transaction() as session:
        sessions.open_session(session, "id", sub, maldives, timedelta(hours=1))
    with each_database.snapshot() as session:
        found = sessions.find(session, "id", NOW, timedelta(minutes=30))
        assert found is not None
        assert found.auth_time == NOW
        assert found.auth_time.utcoffset() == timedelta()


def test_a_disabled_client_is_unknown(each_database: Database) -> None:
    with each_database.transaction() as session:
        session.get_one(Client, "portal").status = "disabled"
    with each_database.snapshot() as session:
        assert clients.find(session, "portal") is None


def test_a_code_is_spent_for_its_own_client_only(each_database: Database, sub: str) -> None:
    with each_database.transaction() as session:
        session.add(grant_row(sub))
        session.flush()
        session.add(
            Code(
                code_hash=grants.fingerprint("code"),
                grant_id="g" * 22,
                redirect_uri="u",
                nonce=None,
                code_challenge="c",
                expires_at=NOW + timedelta(seconds=60),
                used_at=None,
            )
        )
    with each_database.transaction() as session:
        assert grants.take_code(session, "code", "fisheries", NOW) is None
        assert not grants.is_revoked(session, "g" * 22)
        assert grants.take_code(session, "code", "portal", NOW) is not None
        assert grants.take_code(session, "code", "portal", NOW) is None
        assert grants.is_revoked(session, "g" * 22)
    with each_database.snapshot() as session:
        assert [e["kind"] for e in feed.page(session, 4)["events"]] == ["grant-revoked"]


def test_ended_grants_take_their_tokens_with_them(each_database: Database, sub: str) -> None:
    with each_database.transaction() as session:
        session.add(grant_row(sub, hours=1))
        session.flush()
        grants.add_refresh_token(session, "token", "g" * 22)
    with each_database.transaction() as session:
        grants.forget_ended(session, NOW)
        assert session.query(RefreshToken).count() == 1
        grants.forget_ended(session, NOW + timedelta(hours=2))
        assert session.query(RefreshToken).count() == 0
        assert grants.is_revoked(session, "g" * 22)


def test_signing_out_revokes_the_grants_of_that_browser(each_database: Database, sub: str) -> None:
    with each_database.transaction() as session:
        session.add(grant_row(sub, session_hash="one"))
        session.flush()
        grants.revoke_of_session(session, "other", NOW)
        assert not grants.is_revoked(session, "g" * 22)
        grants.revoke_of_session(session, "one", NOW)
        grants.revoke_of_session(session, "one", NOW)
        assert grants.is_revoked(session, "g" * 22)
        assert len(feed.page(session, 4)["events"]) == 1


def test_an_agreement_needs_a_person_and_a_client(each_database: Database) -> None:
    with pytest.raises(IntegrityError), each_database.transaction() as session:
        agreements.give(
            session,
            subject="n" * 22,
            client_id="portal",
            purpose="p",
            items=["category:contact"],
            now=NOW,
        )


def test_long_lists_come_in_pages(each_database: Database, sub: str) -> None:
    with each_database.transaction() as session:
        for _ in range(agreements.PAGE + 5):
            agreements.give(
                session, subject=sub, client_id="fisheries", purpose="p", items=[], now=NOW
            )
    with each_database.snapshot() as session:
        first = agreements.to_client(session, "fisheries", None, None)
        assert len(first) == agreements.PAGE
        rest = agreements.to_client(session, "fisheries", None, first[-1].number)
        assert len(rest) == 6
        assert len({a.id for a in [*first, *rest]}) == agreements.PAGE + 6
        page = feed.page(session, 0, limit=10)
        assert page["last"] == 10
        assert feed.page(session, page["last"], limit=1000)["events"][0]["n"] == 11


def test_what_ended_is_forgotten(each_database: Database, sub: str) -> None:
    with each_database.transaction() as session:
        sessions.open_session(session, "id", sub, NOW, timedelta(hours=1))
        sessions.start_attempt(session, "aishath", NOW)
        sessions.forget_ended(session, NOW + timedelta(minutes=59))
        later = NOW + timedelta(minutes=10)
        assert sessions.find(session, "id", later, timedelta(minutes=30)) is not None
        sessions.forget_ended(session, NOW + timedelta(minutes=61))
        assert sessions.find(session, "id", later, timedelta(minutes=30)) is None
