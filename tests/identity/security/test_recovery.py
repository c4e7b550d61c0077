"""Getting an account back: statements 31, 33 and 37 of the identity profile."""

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.domain import totp
from services.identity.domain.sign_in import NETWORK_FREE_FAILURES, SET_UP_TRIES
from tests.identity.callers import Browser, Program
from tests.identity.citizens import (
    NEW_PASSWORD,
    add_passkey,
    codes_on,
    events,
    hidden,
    messages,
    new_codes,
    secret_on,
    send,
    sign_in_with,
)
from tests.support.clock import FakeClock


@pytest.fixture
def owner(app: Flask, start_state: dict, clock: FakeClock) -> Browser:
    """Aishath's own browser, signed in half a minute ago."""
    owner = Browser(app, start_state, clock)
    owner.sign_in()
    clock.advance(seconds=31)
    return owner


@pytest.fixture
def paper(owner: Browser) -> list[str]:
    """Her recovery codes."""
    return new_codes(owner)


def ask(browser: Browser, username: str = "aishath", lost: str = "password") -> TestResponse:
    return send(browser, "/identity/recovery", username=username, lost=lost)


def message_code(app: Flask, username: str = "aishath") -> str:
    bodies = [m["body"] for m in messages(app, username) if "the code is" in m["body"]]
    found = re.search(r"the code is (\d{8})", bodies[-1])
    assert found
    return found[1]


def cancel_code(app: Flask, username: str = "aishath") -> str:
    bodies = [m["body"] for m in messages(app, username) if "/recovery/cancel" in m["body"]]
    found = re.search(r"(\d{4}(?:-\d{4}){3})", bodies[-1])
    assert found
    return found[1]


def prove(browser: Browser, message: str, code: str) -> TestResponse:
    return send(browser, "/identity/recovery/proof", message_code=message, code=code)


def sign_in_works(browser: Browser, password: str, code: str) -> bool:
    return browser.sign_in(password=password, code=code).status_code == 303


def test_security_37_a_forgotten_password_needs_the_message_and_the_second_factor(
    app: Flask, browser: Browser, owner: Browser, program: Program, clock: FakeClock
) -> None:
    tokens = program.redeem(owner.get_code()).json
    assert ask(browser).headers["Location"] == "/identity/recovery/proof"
    message = message_code(app)
    for given in ((message, "000000"), ("00000000", browser.code("aishath")), (message, "")):
        assert prove(browser, *given).status_code == 422
        assert browser.get("/identity/recovery/finish").status_code == 303
    clock.advance(seconds=31)
    assert prove(browser, message, browser.code("aishath")).status_code == 303
    answer = send(browser, "/identity/recovery/finish", password=NEW_PASSWORD)
    assert answer.headers["Location"] == "/identity/sign-in?done=recovered"
    assert "new password" in browser.get(answer.headers["Location"]).text
    clock.advance(seconds=31)
    assert browser.sign_in().status_code == 422  # the old password
    assert sign_in_works(browser, NEW_PASSWORD, browser.code("aishath"))
    assert owner.get("/identity/consents").status_code == 303  # every sign-in has ended
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_security_37_it_is_announced_on_all_channels(
    app: Flask, browser: Browser, owner: Browser
) -> None:
    ask(browser)
    prove(browser, message_code(app), browser.code("aishath"))
    send(browser, "/identity/recovery/finish", password=NEW_PASSWORD)
    told = messages(app, "aishath")
    for words in ("wants to get your Atoll account back", "was got back"):
        assert {m["channel"] for m in told if words in m["body"]} == {"email", "sms"}
    assert {m["to"] for m in told} == {"aishath@people.example", "+9607000101"}
    assert events(app, "aishath")[-3:] == ["recovery-started", "recovery-proved", "recovered"]


def finish_everything(browser: Browser, clock: FakeClock) -> tuple[str, TestResponse]:
    page = browser.get("/identity/recovery/finish")
    secret = secret_on(page)
    form = {
        "form_token": browser.form_token(page),
        "password": NEW_PASSWORD,
        "set_up": hidden(page, "set_up"),
        "code": totp.code_at(secret, totp.step_at(clock.now())),
    }
    return secret, browser.post("/identity/recovery/finish", form)


def test_security_37_when_all_factors_change_it_waits(
    app: Flask, browser: Browser, owner: Browser, paper: list[str], clock: FakeClock
) -> None:
    device = add_passkey(owner)
    ask(browser, lost="everything")
    message = message_code(app)
    refused = prove(browser, message, browser.code("aishath"))
    assert refused.status_code == 422, "whoever has the app has not lost everything"
    assert prove(browser, message, paper[0]).headers["Location"] == "/identity/recovery/finish"
    waiting = browser.get("/identity/recovery/finish")
    assert "Now we wait" in waiting.text
    token = browser.form_token(browser.get("/identity/recovery"))
    early = {"form_token": token, "password": NEW_PASSWORD}
    assert browser.post("/identity/recovery/finish", early).status_code == 303
    assert sign_in_with(owner, device).status_code == 303, "nothing has changed yet"
    wait = app.extensions["identity"].settings.recovery_wait
    clock.advance(seconds=wait.total_seconds() - 1)
    assert "Now we wait" in browser.get("/identity/recovery/finish").text
    clock.advance(seconds=1)
    secret, answer = finish_everything(browser, clock)
    assert answer.headers["Location"] == "/identity/recovery-codes"
    assert len(codes_on(browser.get("/identity/recovery-codes"))) == 10
    clock.advance(seconds=31)
    stranger = browser.sign_in(password=NEW_PASSWORD)
    assert stranger.status_code == 422, "the old app is gone"
    assert browser.sign_in(password=NEW_PASSWORD, code=paper[1]).status_code == 422
    assert sign_in_with(browser, device).status_code == 422, "the old passkey is gone"
    code = totp.code_at(secret, totp.step_at(clock.now()))
    assert sign_in_works(browser, NEW_PASSWORD, code)


def test_security_37_the_wait_is_a_day_where_people_are_real(app: Flask, https_app: Flask) -> None:
    assert https_app.extensions["identity"].settings.recovery_wait.total_seconds() == 86_400
    assert app.extensions["identity"].settings.recovery_wait.total_seconds() <= 120


@pytest.mark.parametrize("how", ["signed in", "by code"])
def test_security_37_the_owner_stops_it(
    app: Flask, browser: Browser, owner: Browser, paper: list[str], clock: FakeClock, how: str
) -> None:
    ask(browser, lost="everything")
    first = cancel_code(app)
    prove(browser, message_code(app), paper[0])
    if how == "signed in":
        assert "Somebody is getting this account back" in owner.get("/identity/factors").text
        stopped = send(owner, "/identity/recovery/stop", at="/identity/factors")
        assert stopped.headers["Location"] == "/identity/factors?done=recovery-stopped"
    else:
        assert cancel_code(app) != first
        anywhere = Browser(app, {"people": {}}, clock)
        wrong = send(anywhere, "/identity/recovery/cancel", cancel_code="0000-0000-0000-0000")
        assert wrong.status_code == 422
        code = cancel_code(app).replace("-", " ")
        stopped = send(anywhere, "/identity/recovery/cancel", cancel_code=code)
        assert stopped.headers["Location"] == "/identity/recovery/cancel?done=stopped"
        assert "It is stopped" in anywhere.get(stopped.headers["Location"]).text
    clock.advance(minutes=3)
    answer = browser.get("/identity/recovery/finish")
    assert answer.status_code == 303, "nobody goes on with it"
    assert {m["channel"] for m in messages(app, "aishath") if "was stopped" in m["body"]} == {
        "email",
        "sms",
    }
    assert "was stopped" in owner.get("/identity/history").text


def test_security_37_a_finished_recovery_works_once(
    app: Flask, browser: Browser, owner: Browser, clock: FakeClock
) -> None:
    ask(browser)
    prove(browser, message_code(app), browser.code("aishath"))
    page = browser.get("/identity/recovery/finish")
    cookie = browser.client.get_cookie("atoll_recovery", domain="localhost")
    form = {"form_token": browser.form_token(page), "password": NEW_PASSWORD}
    assert browser.post("/identity/recovery/finish", form).status_code == 303
    assert cookie is not None
    browser.client.set_cookie("atoll_recovery", cookie.value)
    again = browser.post("/identity/recovery/finish", form | {"password": "other wet coconuts"})
    assert again.headers["Location"] == "/identity/recovery/finish"
    clock.advance(seconds=31)
    assert sign_in_works(browser, NEW_PASSWORD, browser.code("aishath"))


def test_security_37_a_weak_password_is_refused_and_can_be_mended(
    app: Flask, browser: Browser, owner: Browser
) -> None:
    ask(browser)
    prove(browser, message_code(app), browser.code("aishath"))
    for weak in ("", "short", "password1", "aishath1"):
        page = send(browser, "/identity/recovery/finish", password=weak)
        assert page.status_code == 422
        assert 'href="#password"' in page.text
    assert send(browser, "/identity/recovery/finish", password=NEW_PASSWORD).status_code == 303


def test_security_37_another_browser_cannot_go_on(
    app: Flask, browser: Browser, owner: Browser, start_state: dict, clock: FakeClock
) -> None:
    ask(browser)
    other = Browser(app, start_state, clock)
    form = {"form_token": other.form_token(other.get("/identity/recovery"))}
    form |= {"message_code": message_code(app), "code": other.code("aishath")}
    answer = other.post("/identity/recovery/proof", form)
    assert answer.headers["Location"] == "/identity/recovery"


def same(page: TestResponse) -> str:
    return re.sub(r'value="[0-9a-f]{64}"', "", page.text)


@pytest.mark.parametrize("lost", ["password", "everything"])
def test_security_31_recovery_answers_the_same_for_a_name_that_nobody_has(
    browser: Browser, lost: str
) -> None:
    known, unknown = ask(browser, "aishath", lost), ask(browser, "nobody-at-all", lost)
    drop = {"Set-Cookie"}
    assert known.status_code == unknown.status_code == 303
    assert [h for h in known.headers if h[0] not in drop] == [
        h for h in unknown.headers if h[0] not in drop
    ]
    ask(browser, "aishath", lost)
    theirs = prove(browser, "00000000", "000000")
    ask(browser, "nobody-at-all", lost)
    nobodys = prove(browser, "00000000", "000000")
    assert (theirs.status_code, same(theirs)) == (nobodys.status_code, same(nobodys))


def test_security_31_recovery_does_the_same_work_for_a_name_that_nobody_has(
    app: Flask, browser: Browser
) -> None:
    from sqlalchemy import event

    engine = app.extensions["identity"].database.engine
    counts = []
    for name in ("aishath", "nobody-at-all"):
        written: list[str] = []

        def note(_c: object, _k: object, statement: str, *_: object) -> None:
            if statement.startswith(("INSERT", "UPDATE", "DELETE")):
                written.append(statement)  # noqa: B023

        event.listen(engine, "before_cursor_execute", note)
        ask(browser, name)
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(written))
    assert counts[0] == counts[1]


def test_security_33_five_wrong_tries_end_a_recovery(
    app: Flask, browser: Browser, owner: Browser
) -> None:
    ask(browser)
    for _ in range(SET_UP_TRIES):
        assert prove(browser, "00000000", "000000").status_code == 422
    last = prove(browser, message_code(app), browser.code("aishath"))
    assert last.status_code == 422
    assert "Begin again" in last.text
    assert browser.get("/identity/recovery/proof").status_code == 303
    assert "gave wrong codes" in owner.get("/identity/history").text


def test_security_32_strangers_cannot_fill_a_telephone_nor_keep_the_owner_out(
    app: Flask, browser: Browser, owner: Browser
) -> None:
    for _ in range(6):
        assert ask(browser).status_code == 303
    written = [m for m in messages(app, "aishath") if "the code is" in m["body"]]
    assert len(written) == 3 * 2  # an email and a text each
    assert ask(owner).status_code == 303  # from a browser in which she signed in before
    assert len([m for m in messages(app, "aishath") if "the code is" in m["body"]]) == 4 * 2


def test_a_message_lives_an_hour(app: Flask, browser: Browser, clock: FakeClock) -> None:
    ask(browser)
    page = browser.get("/identity/recovery/proof")
    form = {"form_token": browser.form_token(page), "message_code": message_code(app)}
    clock.advance(hours=1)
    answer = browser.post("/identity/recovery/proof", form | {"code": browser.code("aishath")})
    assert answer.headers["Location"] == "/identity/recovery"


@pytest.mark.parametrize("form", [{}, {"username": "aishath"}, {"lost": "password"}, {"lost": "x"}])
def test_what_is_missing_is_named(browser: Browser, form: dict[str, str]) -> None:
    page = send(browser, "/identity/recovery", **form)
    assert page.status_code == 422
    assert "There is a problem" in page.text


def test_a_lost_telephone_is_replaced_with_a_code_on_paper(
    app: Flask, browser: Browser, owner: Browser, paper: list[str], clock: FakeClock
) -> None:
    assert browser.sign_in(code=f" {paper[0].replace('-', ' ')} ").status_code == 303
    assert browser.sign_in(code=paper[0]).status_code == 422, "each works once"
    told = [m["body"] for m in messages(app, "aishath")]
    assert any("9 are left" in body for body in told)
    assert "With password and recovery code" in browser.get("/identity/history").text


def test_recovery_codes_are_kept_as_keyed_hashes(app: Flask, paper: list[str]) -> None:
    import sqlite3

    path = app.extensions["identity"].settings.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        dump = "\n".join(raw.iterdump())
    raw.close()
    for code in paper:
        assert code not in dump
        assert code.replace("-", "") not in dump


def test_security_32_guessing_codes_that_stop_a_recovery_is_slowed(browser: Browser) -> None:
    for _ in range(NETWORK_FREE_FAILURES):
        wrong = send(browser, "/identity/recovery/cancel", cancel_code="0000-0000-0000-0000")
        assert wrong.status_code == 422
    slowed = send(browser, "/identity/recovery/cancel", cancel_code="0000-0000-0000-0000")
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) >= 1
