"""Accounts: statements 31 to 33, 35 and 36 of the identity profile."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from servicekit.database import Database
from servicekit.problems import Unavailable
from services.identity.domain.sign_in import NETWORK_FORGIVES_ONE_EVERY, NETWORK_FREE_FAILURES
from services.identity.domain.visitors import visitor
from services.identity.passwords import AT_ONCE, WAITING, Passwords, hash_password
from services.identity.storage import sessions
from tests.identity.callers import Browser, Program
from tests.identity.citizens import new_codes
from tests.support.clock import FakeClock


def without_name(page: TestResponse, name: str) -> str:
    text = re.sub(r'value="[0-9a-f]{64}"', "", page.text)
    text = re.sub(r"challenge&#34;: &#34;[\w-]+", "", text)
    return text.replace(f'value="{name}"', 'value="NAME"')


def test_security_31_an_unknown_person_and_a_wrong_password_get_one_and_the_same_answer(
    browser: Browser,
) -> None:
    known = browser.sign_in("aishath", password="wrong")
    unknown = browser.sign_in("nobody", password="wrong")
    wrong_code = browser.sign_in("ibrahim", code="000000")
    assert known.status_code == unknown.status_code == wrong_code.status_code == 422
    assert without_name(known, "aishath") == without_name(unknown, "nobody")
    assert without_name(known, "aishath") == without_name(wrong_code, "ibrahim")
    drop = {"Content-Length", "Set-Cookie"}
    assert [h for h in known.headers if h[0] not in drop] == [
        h for h in unknown.headers if h[0] not in drop
    ]


def test_security_31_an_unknown_person_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    compared = []
    hasher = type("Counting", (), {"verify": lambda self, a, b: compared.append(a)})()
    monkeypatch.setattr("services.identity.passwords._hasher", lambda: hasher)
    assert passwords.matches("anything", None) is False
    assert passwords.matches("x" * 129, "some-hash") is False
    assert len(compared) == 2


def test_security_31_a_failure_costs_as_many_writes_for_a_name_that_nobody_has(
    app: Flask, browser: Browser
) -> None:
    engine, counts = app.extensions["identity"].database.engine, []
    for name in ("aishath", "nobody"):
        token = browser.form_token(browser.get("/identity/sign-in"))
        written: list[str] = []

        def note(_c: object, _k: object, statement: str, *_: object) -> None:
            if not statement.startswith("SELECT"):
                written.append(statement.split()[0])  # noqa: B023

        event.listen(engine, "before_cursor_execute", note)
        form = {"form_token": token, "username": name, "password": "wrong", "code": "123456"}
        assert browser.post("/identity/sign-in", form).status_code == 422
        event.remove(engine, "before_cursor_execute", note)
        counts.append(written)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("person", ["aishath", "nobody"])
def test_security_32_the_wait_grows_but_never_becomes_a_lock(
    browser: Browser, clock: FakeClock, person: str
) -> None:
    waits = []
    for _ in range(10):
        while (answer := browser.sign_in(person, password="wrong")).status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            assert f"{waits[-1]} seconds" in answer.text
            clock.advance(seconds=waits[-1])
        assert answer.status_code == 422
    assert waits == [2, 4, 8, 16, 30, 30, 30]
    if person == "aishath":
        clock.advance(seconds=31)
        assert browser.sign_in(person).status_code == 303  # the right password still opens
        assert browser.sign_in(person, password="wrong").status_code == 422  # counted anew


def guess(browser: Browser, clock: FakeClock, times: int, person: str = "aishath") -> None:
    """Guess passwords as fast as the account lets anybody."""
    for _ in range(times):
        while (answer := browser.sign_in(person, password="wrong")).status_code == 429:
            clock.advance(seconds=int(answer.headers["Retry-After"]))
        assert answer.status_code == 422


def test_security_32_a_known_device_is_not_delayed_by_strangers(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    browser.sign_in()
    clock.advance(seconds=31)
    stranger = Browser(app, start_state, clock)
    guess(stranger, clock, 10)
    assert stranger.sign_in(password="wrong").status_code == 429
    assert browser.sign_in().status_code == 303
    assert stranger.sign_in(password="wrong").status_code == 429, "her success helps no stranger"


def test_security_32_a_known_device_is_known_for_its_own_person_alone(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    browser.sign_in("ibrahim")
    guess(browser, clock, 4)
    assert browser.sign_in(password="wrong").status_code == 429


def test_security_32_a_known_device_waits_for_its_own_failures(
    browser: Browser, clock: FakeClock
) -> None:
    browser.sign_in()
    guess(browser, clock, 3)
    assert browser.sign_in(password="wrong").status_code == 429


def test_security_32_the_device_cookie_is_forgotten_when_factors_change(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    browser.sign_in()
    new_codes(browser)
    clock.advance(seconds=31)
    guess(Browser(app, start_state, clock), clock, 4)
    assert browser.sign_in().status_code == 429


def from_network(browser: Browser, address: str) -> Browser:
    browser.client.environ_base["HTTP_X_FORWARDED_FOR"] = address
    return browser


def test_security_32_one_network_cannot_try_many_accounts_without_end(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    robber = from_network(Browser(app, start_state, clock), "203.0.113.7")
    waits = []
    for number in range(NETWORK_FREE_FAILURES + 6):
        while (answer := robber.sign_in(f"name{number}", password="x")).status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            clock.advance(seconds=waits[-1])
    assert waits == [1, 2, 4, 8, 10, 10]
    assert robber.sign_in("aishath").status_code == 429
    assert from_network(browser, "198.51.100.9").sign_in().status_code == 303  # others go on


def test_security_32_a_success_takes_back_its_own_count_of_the_network_and_no_more(
    app: Flask, start_state: dict, clock: FakeClock
) -> None:
    robber = from_network(Browser(app, start_state, clock), "203.0.113.7")
    for number in range(NETWORK_FREE_FAILURES - 2):
        robber.sign_in(f"name{number}", password="x")
    assert robber.sign_in("ibrahim").status_code == 303  # an account of the robber's own
    robber.client.delete_cookie("atoll_device", domain="localhost")
    for number in range(2):
        assert robber.sign_in(f"other{number}", password="x").status_code == 422
    assert robber.sign_in("another", password="x").status_code == 429


def test_security_32_a_success_lets_the_next_of_the_network_try_at_once(
    app: Flask, start_state: dict, clock: FakeClock
) -> None:
    island = Browser(app, start_state, clock)
    for number in range(NETWORK_FREE_FAILURES - 1):
        island.sign_in(f"name{number}", password="x")
    for person in ("aishath", "ibrahim", "mariyam"):
        assert island.sign_in(person).status_code == 303
        island.client.delete_cookie("atoll_device", domain="localhost")
    assert island.sign_in("nobody", password="x").status_code == 422
    assert island.sign_in("nobody", password="x").status_code == 429


def test_security_32_a_network_is_forgiven_one_by_one(
    app: Flask, start_state: dict, clock: FakeClock
) -> None:
    island = Browser(app, start_state, clock)
    for number in range(NETWORK_FREE_FAILURES):
        island.sign_in(f"name{number}", password="x")
    clock.advance(seconds=NETWORK_FORGIVES_ONE_EVERY.total_seconds() * 3)
    for number in range(3):
        assert island.sign_in(f"other{number}", password="x").status_code == 422
    assert island.sign_in("another", password="x").status_code == 429


def test_security_32_addresses_of_one_household_are_one_network() -> None:
    assert visitor("", "2001:db8::1").key == visitor("", "2001:db8::ffff:2").key
    assert visitor("", "2001:db8::1").key != visitor("", "2001:db8:0:1::1").key
    assert visitor("", "::ffff:203.0.113.7").key == visitor("", "203.0.113.7").key
    assert visitor("", "203.0.113.7").key != visitor("", "203.0.113.8").key
    assert visitor("", "garbage, 1").network == ""
    assert visitor("", "::1").network == visitor("", "127.0.0.2").network == "local"


def test_security_32_failures_are_forgotten_after_half_an_hour(
    browser: Browser, clock: FakeClock
) -> None:
    for _ in range(3):
        browser.sign_in(password="wrong")
    assert browser.sign_in(password="wrong").status_code == 429
    clock.advance(minutes=31)
    for _ in range(3):
        assert browser.sign_in(password="wrong").status_code == 422


def test_security_32_spelling_a_name_differently_does_not_help(browser: Browser) -> None:
    for name in ("aishath", "AISHATH", " Aishath "):
        assert browser.sign_in(name, password="wrong").status_code == 422
    assert browser.sign_in("aishatH", password="wrong").status_code == 429


def test_security_33_a_one_time_code_works_once(browser: Browser, clock: FakeClock) -> None:
    code = browser.code("aishath")
    assert browser.sign_in(code=code).status_code == 303
    assert browser.sign_in(code=code).status_code == 422
    assert browser.sign_in(code=browser.code("aishath", ahead=-1)).status_code == 422
    assert browser.sign_in(code=browser.code("aishath", ahead=1)).status_code == 303


@pytest.mark.parametrize(("ahead", "status"), [(-2, 422), (-1, 303), (0, 303), (1, 303), (2, 422)])
def test_security_33_a_code_may_be_one_step_away(browser: Browser, ahead: int, status: int) -> None:
    assert browser.sign_in(code=browser.code("aishath", ahead)).status_code == status


def test_security_33_guessing_codes_for_half_an_hour_hardly_ever_succeeds(
    file_database: Database, clock: FakeClock
) -> None:
    tried, end = 0, clock.now() + timedelta(minutes=30)
    while clock.now() < end:
        with file_database.transaction() as session:
            wait = sessions.start_attempt(session, "aishath", clock.now())
        tried += 0 if wait else 1
        clock.advance(seconds=wait.total_seconds())
    assert tried * 3 / 10**6 < 0.001


def test_security_35_only_a_few_sign_ins_are_checked_at_a_time() -> None:
    passwords = Passwords()
    entered = [passwords.turn() for _ in range(AT_ONCE + WAITING)]
    for turn in entered:
        turn.__enter__()
    with pytest.raises(Unavailable), passwords.turn():
        pass
    for turn in entered:
        turn.__exit__(None, None, None)
    with passwords.turn():
        pass


def test_security_35_many_sign_ins_leave_room_for_tokens(app: Flask, program: Program) -> None:
    passwords = app.extensions["identity"].passwords
    release, inside = threading.Event(), threading.Barrier(AT_ONCE + WAITING + 1)

    def hold() -> None:
        with passwords.turn():
            inside.wait()
            release.wait()

    holders = [threading.Thread(target=hold) for _ in range(AT_ONCE + WAITING)]
    for holder in holders:
        holder.start()
    inside.wait()
    try:
        program.own_token("fisheries", "registers")
        assert program.call("GET", "/identity/jwks").status_code == 200
    finally:
        release.set()
        for holder in holders:
            holder.join()


def test_security_35_a_sign_in_too_many_is_told_to_come_back(app: Flask, browser: Browser) -> None:
    passwords = app.extensions["identity"].passwords
    turns = [passwords.turn() for _ in range(AT_ONCE + WAITING)]
    for turn in turns:
        turn.__enter__()
    refused = browser.sign_in()
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    for turn in turns:
        turn.__exit__(None, None, None)
    assert browser.sign_in().status_code == 303  # and nothing was counted against her


def test_security_36_passwords_are_hashed_at_owasps_cost(
    cheap_hashes: Callable[[], PasswordHasher],
) -> None:
    assert cheap_hashes().hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_security_35_new_passwords_wait_for_their_turn_too(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = app.extensions["identity"].passwords
    page = browser.get("/identity/register")
    form = {"form_token": browser.form_token(page), "name": "Ali", "username": "ali"}
    turns = [passwords.turn() for _ in range(AT_ONCE + WAITING)]
    for turn in turns:
        turn.__enter__()
    refused = browser.post("/identity/register", form | {"password": "three wet coconuts"})
    for turn in turns:
        turn.__exit__(None, None, None)
    assert refused.status_code == 503


def test_security_36_a_password_may_be_typed_in_two_ways() -> None:
    passwords = Passwords()
    assert passwords.matches("ﬁsh and Å chips", passwords.hash("fish and Å chips"))
    assert not passwords.matches("fish and A chips", passwords.hash("fish and Å chips"))


def test_security_36_long_passwords_and_passphrases_in_any_script_are_taken() -> None:
    passwords = Passwords()
    for password in ("x" * 128, "ދިވެހި ޕާސްވޯޑް", "  spaces stay  "):
        assert passwords.matches(password, hash_password(password))
        assert not passwords.matches(password + "x", hash_password(password))


@pytest.mark.parametrize("field", ["username", "password", "code"])
def test_a_missing_field_is_named_at_the_field(browser: Browser, field: str) -> None:
    page = browser.sign_in(**{field: " "})
    assert page.status_code == 422
    assert f'href="#{field}"' in page.text
    assert f'id="{field}-error"' in page.text
    assert "<title>Error: " in page.text


def test_the_form_helps_password_managers_and_phones(browser: Browser) -> None:
    page = browser.get("/identity/sign-in").text
    for name in ("username", "current-password", "one-time-code"):
        assert f'autocomplete="{name}"' in page
    assert 'inputmode="numeric"' in page
    assert set(re.findall(r"<script[^>]*>", page)) == set(
        re.findall(r'<script src="[^"]+passkey.js[^"]*" defer>', page)
    )
    assert "<details" in page


def test_one_press_fills_the_form_and_the_ordinary_sign_in_runs(
    browser: Browser, clock: FakeClock
) -> None:
    listed = browser.get("/identity/sign-in")
    assert "Aishath Demo" in listed.text
    page = browser.get("/identity/sign-in?person=aishath")
    fields = dict(re.findall(r'name="(username|password|code)"[^>]*? value="([^"]*)"', page.text))
    form = {"form_token": browser.form_token(page), **fields}
    assert set(fields) == {"username", "password", "code"}
    assert browser.post("/identity/sign-in", form).status_code == 303
    assert browser.post("/identity/sign-in", form).status_code == 403  # the form's session is over


def test_the_filled_code_is_one_that_was_not_used(browser: Browser, clock: FakeClock) -> None:
    for _ in range(2):
        page = browser.get("/identity/sign-in?person=aishath")
        code = re.search(r'name="code"[^>]*? value="(\d{6})"', page.text)
        assert code is not None
        assert browser.sign_in(code=code[1]).status_code == 303
    page = browser.get("/identity/sign-in?person=aishath")
    assert re.search(r"Wait \d+ seconds", page.text)
    clock.advance(seconds=int(page.headers["Retry-After"]))
    assert "Wait" not in browser.get("/identity/sign-in?person=aishath").text


@pytest.mark.parametrize("person", ["nobody", "", "a\0b", "ދިވެހި", "x" * 2000])
def test_only_the_demonstrations_people_are_filled_in(browser: Browser, person: str) -> None:
    page = browser.get("/identity/sign-in", query_string={"person": person})
    assert page.status_code == 200
    assert "likes boats" not in page.text


def test_a_real_platform_lists_nobody(https_app: Flask) -> None:
    page = https_app.test_client().get(
        "/identity/sign-in?person=aishath", headers={"Atoll-Gateway-Key": "k" * 64}
    )
    assert page.status_code == 200
    assert "aishath" not in page.text.replace("person=aishath", "")
    assert "Aishath" not in page.text
