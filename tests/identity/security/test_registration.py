"""A new account: for everybody, in any script, with a second factor from the start."""

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.domain import totp
from services.identity.domain.sign_in import NETWORK_FREE_FAILURES, SET_UP_TRIES
from services.identity.storage.tables import Person
from tests.identity.callers import Browser
from tests.identity.citizens import (
    NEW_PASSWORD,
    codes_on,
    events,
    hidden,
    options_on,
    parts_of,
    person,
    secret_on,
    send,
)
from tests.support.clock import FakeClock
from tests.support.passkey import SoftPasskey

FORM = {
    "name": "Naseema",
    "name_dv": "ނަސީމާ",
    "username": "naseema",
    "email": "naseema@people.example",
    "phone": "700 0199",
    "password": NEW_PASSWORD,
}


def begin(browser: Browser, **changes: str) -> TestResponse:
    return send(browser, "/identity/register", **{**FORM, **changes})


def username_on(page: TestResponse) -> str:
    found = re.search(r"<strong[^>]*>([a-z0-9]+-\d{6})</strong>", page.text)
    assert found, page.text
    return found[1]


def finish(browser: Browser, clock: FakeClock, **changes: str) -> tuple[str, str, TestResponse]:
    """Set up an app on the second page; return user name, secret and the answer."""
    page = browser.get("/identity/register/second-factor")
    secret = secret_on(page)
    form = {
        "form_token": browser.form_token(page),
        "set_up": hidden(page, "set_up"),
        "code": totp.code_at(secret, totp.step_at(clock.now())),
    } | changes
    return username_on(page), secret, browser.post("/identity/register/second-factor", form)


def test_somebody_without_papers_makes_an_account_and_signs_in(
    app: Flask, browser: Browser, clock: FakeClock
) -> None:
    assert begin(browser).headers["Location"] == "/identity/register/second-factor"
    before = browser.cookie()
    username, secret, answer = finish(browser, clock)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/identity/recovery-codes"
    assert browser.cookie() != before
    made = person(app, username)
    assert (made.identity_level, made.evidence, made.roles) == ("low", [], [])
    assert made.phone == "+9607000199"
    shown = codes_on(browser.get("/identity/recovery-codes"))
    assert len(set(shown)) == 10
    assert codes_on(browser.get("/identity/recovery-codes")) == shown  # until they are kept
    kept = send(browser, "/identity/recovery-codes")
    assert kept.headers["Location"] == "/identity/factors"
    assert browser.get("/identity/recovery-codes").status_code == 303
    clock.advance(seconds=31)
    browser.client.delete_cookie("atoll_identity", domain="localhost")
    code = totp.code_at(secret, totp.step_at(clock.now()))
    assert browser.sign_in(username, password=NEW_PASSWORD, code=code).status_code == 303
    assert events(app, username) == ["registered", "signed-in", "signed-in"]
    page = browser.get("/identity/factors")
    assert "Nobody has checked your identity yet" in page.text


def test_an_account_with_a_passkey_needs_no_app(app: Flask, browser: Browser) -> None:
    begin(browser, email="", phone="")
    page = browser.get("/identity/register/second-factor")
    device = SoftPasskey()
    form = {
        "form_token": browser.form_token(page),
        "credential": device.create(options_on(page)),
    }
    answer = browser.post("/identity/register/passkey", form)
    assert answer.headers["Location"] == "/identity/recovery-codes"
    assert person(app, username_on(page)).totp_secret == b""
    factors = browser.get("/identity/factors").text
    assert "We know no way to reach you" in factors


@pytest.mark.parametrize(
    "name", ["މަރިޔަމް", "Ծովինար", "李小龍", "O'Neil-d’Arc", "نسيمة", "Ğöçmen", "A\u0301ine"]
)
def test_names_hold_any_script(app: Flask, browser: Browser, clock: FakeClock, name: str) -> None:
    assert begin(browser, name=name).status_code == 303
    username, _, _ = finish(browser, clock)
    assert person(app, username).name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "\u202e\u202e"),
        ("name", "x" * 101),
        ("name", "123"),
        ("name_dv", "x" * 101),
        ("username", ""),
        ("username", "a"),
        ("username", "ނަސީމާ"),
        ("username", "a b"),
        ("username", "x" * 31),
        ("username", "a\0b"),
        ("email", "nobody"),
        ("email", "a@b@c.example"),
        ("email", "a@b.example\nBcc: c@d.example"),
        ("phone", "12"),
        ("phone", "+960 abc"),
        ("password", ""),
        ("password", "Short1!"),
        ("password", "x y" * 50),
    ],
)
def test_a_faulty_field_is_named_and_nothing_else_is_lost(
    browser: Browser, field: str, value: str
) -> None:
    page = begin(browser, **{field: value})
    assert page.status_code == 422
    assert f'href="#{field}"' in page.text
    assert f'id="{field}-error"' in page.text
    assert NEW_PASSWORD not in page.text
    if field != "email":
        assert "naseema@people.example" in page.text


def test_security_30_marks_that_turn_text_around_are_dropped_from_names(
    app: Flask, browser: Browser, clock: FakeClock
) -> None:
    begin(browser, name="Ali\u202egpj.exe\r\nX: y<script>\u2066")
    username, _, _ = finish(browser, clock)
    assert person(app, username).name == "Aligpj.exe X: y<script>"
    assert "<script>" not in browser.get("/identity/factors").text.partition("<body>")[2].replace(
        "<script src", ""
    )


def test_security_31_registration_tells_nobody_who_has_an_account(
    app: Flask, browser: Browser, clock: FakeClock, start_state: dict
) -> None:
    taken, free = begin(browser, username="aishath"), begin(browser, username="nobodyatall")
    assert taken.status_code == free.status_code == 303
    drop = {"Set-Cookie"}
    assert [h for h in taken.headers if h[0] not in drop] == [
        h for h in free.headers if h[0] not in drop
    ]
    again = begin(browser, email="aishath@people.example", phone="+9607000101")
    assert again.status_code == 303
    first, _, _ = finish(browser, clock)
    begin(other := Browser(app, start_state, clock))
    second, _, answer = finish(other, clock)
    assert answer.status_code == 303
    assert first != second
    assert first.partition("-")[0] == second.partition("-")[0] == "naseema"


def test_security_33_wrong_codes_end_a_registration(
    app: Flask, browser: Browser, clock: FakeClock
) -> None:
    begin(browser)
    for _ in range(SET_UP_TRIES - 1):
        _, _, answer = finish(browser, clock, code="000000")
        assert answer.status_code == 422
        assert "not the code of the present moment" in answer.text
    _, _, answer = finish(browser, clock, code="000000")
    assert "Begin again" in answer.text
    assert browser.get("/identity/register/second-factor").status_code == 303
    with parts_of(app).database.snapshot() as session:
        assert session.query(Person).filter(Person.username.like("naseema%")).count() == 0


def test_a_secret_that_this_browser_was_not_shown_is_refused(
    app: Flask, browser: Browser, clock: FakeClock, start_state: dict
) -> None:
    other = Browser(app, start_state, clock)
    begin(other)
    page = other.get("/identity/register/second-factor")
    begin(browser)
    code = totp.code_at(secret_on(page), totp.step_at(clock.now()))
    for sealed in (hidden(page, "set_up"), "", "AAAA", "ސ", "x" * 5000):
        _, _, answer = finish(browser, clock, set_up=sealed, code=code)
        assert answer.status_code == 422


def test_a_registration_is_forgotten_after_an_hour(browser: Browser, clock: FakeClock) -> None:
    begin(browser)
    clock.advance(hours=1)
    assert browser.get("/identity/register/second-factor").status_code == 303
    answer = send(browser, "/identity/register/passkey", at="/identity/register", credential="{}")
    assert answer.headers["Location"] == "/identity/register"


def test_one_network_cannot_make_accounts_without_end(browser: Browser, clock: FakeClock) -> None:
    for _ in range(NETWORK_FREE_FAILURES):
        assert begin(browser).status_code == 303
    slowed = begin(browser)
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) <= 10
    clock.advance(seconds=10)
    assert begin(browser).status_code == 303


@pytest.mark.parametrize(
    "password",
    ["three wet coconuts", "aaabbbcccddd", "ދިވެހި ޕާސްވޯޑް", "83926154", ("wet coconuts " * 10)[:128]],
)
def test_security_36_any_composition_is_taken(browser: Browser, password: str) -> None:
    assert begin(browser, password=password).status_code == 303


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "P@ssw0rd!",
        "12345678",
        "qwertyuiop",
        "aaaaaaaa",
        "Maldives2026!",
        "naseema99",
        "abcabcabc",
        "atollatoll",
        "87654321",
        "m4ld1ves",
        "Naseema@people",
    ],
)
def test_security_36_what_everybody_tries_is_refused(browser: Browser, password: str) -> None:
    page = begin(browser, password=password)
    assert page.status_code == 422
    assert "Choose another" in page.text


def test_security_36_nothing_keeps_a_password_from_being_pasted(browser: Browser) -> None:
    page = browser.get("/identity/register").text
    assert "onpaste" not in page
    assert 'autocomplete="new-password"' in page
    assert 'maxlength="256"' in page  # longer than what is taken: nothing is cut off unseen
