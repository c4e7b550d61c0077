"""Races of 8 on a real database: at most one wins, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from services.identity.domain import sign_in
from services.identity.storage import agreements, feed, people, sessions
from services.identity.storage.tables import RefreshToken
from tests.identity.callers import Browser, Program
from tests.support.clock import FakeClock

RACERS = 8


def race(act: Callable[[], Any]) -> list[Any]:
    """Let 8 threads do the same thing at once and return what each got."""
    start, results, lock = threading.Barrier(RACERS), [], threading.Lock()

    def run() -> None:
        start.wait()
        try:
            result = act()
        except Exception as error:  # noqa: BLE001 (a failure is a result of the race)
            result = error
        with lock:
            results.append(result)

    threads = [threading.Thread(target=run) for _ in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def program(app_on_each: Flask) -> Program:
    return Program(app_on_each)


@pytest.fixture
def browser(app_on_each: Flask, start_state: dict, clock: FakeClock) -> Browser:
    return Browser(app_on_each, start_state, clock)


def test_security_11_eight_redemptions_of_a_code_give_at_most_one_token(
    browser: Browser, program: Program
) -> None:
    code = browser.get_code()
    answers = race(lambda: program.redeem(code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    (won,) = [answer.json for answer in answers if answer.status_code == 200]
    # the other seven were a second use, so what the first got is worth nothing, too
    assert program.refresh(won["refresh_token"]).json["error"] == "invalid_grant"
    assert [e["kind"] for e in program.feed()["events"]].count("grant-revoked") == 1


def test_security_13_eight_refreshes_leave_one_live_token(
    browser: Browser, program: Program, app_on_each: Flask
) -> None:
    token = program.redeem(browser.get_code()).json["refresh_token"]
    answers = race(lambda: program.refresh(token))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    with app_on_each.extensions["identity"].database.snapshot() as session:
        assert session.query(RefreshToken).filter_by(used_at=None).count() == 1
    successor = answers[0].json["refresh_token"]
    assert program.refresh(successor).status_code == 200
    assert program.refresh(token).json["error"] == "invalid_grant"


def test_security_33_eight_uses_of_a_one_time_code_open_one_session(
    app_on_each: Flask, start_state: dict
) -> None:
    database = app_on_each.extensions["identity"].database
    sub = start_state["people"]["aishath"]["sub"]

    def take() -> bool:
        with database.transaction() as session:
            return people.take_totp_step(session, sub, 1000)

    assert sorted(race(take)) == [False] * 7 + [True]


def test_security_32_eight_guesses_at_once_are_counted_like_eight_in_a_row(
    app_on_each: Flask,
) -> None:
    database = app_on_each.extensions["identity"].database
    now = datetime(2026, 3, 3, tzinfo=UTC)

    def attempt() -> timedelta:
        with database.transaction() as session:
            return sessions.start_attempt(session, "aishath", now)

    assert race(attempt).count(timedelta()) == sign_in.FREE_FAILURES


def test_eight_presses_of_agree_again_make_one_agreement(
    app_on_each: Flask, start_state: dict
) -> None:
    database = app_on_each.extensions["identity"].database
    sub = start_state["people"]["aishath"]["sub"]
    now = datetime.now(UTC)
    with database.transaction() as session:
        (agreement,) = agreements.of_person(session, sub)
        agreements.withdraw(session, agreement, now)

    def renew() -> str:
        with database.transaction() as session:
            return agreements.renew(session, agreement, now).id

    assert len(set(race(renew))) == 1


def test_the_feed_never_shows_a_number_before_a_lower_one(app_on_each: Flask) -> None:
    database = app_on_each.extensions["identity"].database
    seen: list[list[int]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with database.snapshot() as session:
                seen.append([event["n"] for event in feed.page(session, 0)["events"]])

    reader = threading.Thread(target=read)
    reader.start()

    def write() -> None:
        for _ in range(5):
            with database.transaction() as session:
                feed.append(session, {"kind": "client", "client_id": "x"})

    results = race(write)
    stop.set()
    reader.join()
    assert results == [None] * RACERS
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seen)
    with database.snapshot() as session:
        assert feed.page(session, 0)["last"] == 4 + 5 * RACERS
