"""Changing how one signs in, devices and history: statements 13, 26, 32, 33 and 36."""

import re

import pytest
from flask import Flask

from services.identity.domain import totp
from services.identity.storage import audit
from tests.identity.callers import Browser, Program
from tests.identity.citizens import (
    NEW_PASSWORD,
    add_passkey,
    events,
    hidden,
    messages,
    new_codes,
    parts_of,
    person,
    secret_on,
    send,
    sign_in_with,
)
from tests.support.clock import FakeClock

FACTORS = "/identity/factors"
OWN_PAGES = [FACTORS, "/identity/devices", "/identity/history"]
FRESH_PAGES = [f"{FACTORS}/password", f"{FACTORS}/authenticator", f"{FACTORS}/passkeys"]


def change_password(browser: Browser, password: str = NEW_PASSWORD) -> int:
    return send(browser, f"{FACTORS}/password", password=password).status_code


@pytest.mark.parametrize("path", OWN_PAGES + FRESH_PAGES)
def test_a_strangers_way_leads_through_the_sign_in_and_back(browser: Browser, path: str) -> None:
    sent = browser.get(path)
    assert sent.status_code == 303
    assert re.fullmatch(
        r"/identity/sign-in\?to=(factors|devices|history)", sent.headers["Location"]
    )
    back = browser.sign_in(at=sent.headers["Location"])
    assert back.headers["Location"] in OWN_PAGES
    assert browser.get(back.headers["Location"]).status_code == 200


def test_security_29_only_our_own_pages_are_led_to(browser: Browser) -> None:
    for to in ("https://evil.example", "//evil.example", "/portal/", "factors/../x", ""):
        browser.clock.advance(seconds=31)
        answer = browser.sign_in(at=f"/identity/sign-in?to={to}")
        assert answer.headers["Location"] == "/identity/consents"


@pytest.mark.parametrize("path", FRESH_PAGES)
def test_factors_change_only_shortly_after_a_sign_in(
    browser: Browser, clock: FakeClock, path: str
) -> None:
    browser.sign_in()
    page = browser.get(path)
    assert page.status_code == 200
    clock.advance(seconds=301)
    assert browser.get(FACTORS).status_code == 200
    for answer in (
        browser.get(path),
        browser.post(path, {"form_token": browser.form_token(page), "password": NEW_PASSWORD}),
    ):
        assert answer.headers["Location"] == "/identity/sign-in?to=factors"
    renew = {"form_token": browser.form_token(browser.get(FACTORS))}
    answer = browser.post(f"{FACTORS}/recovery-codes", renew)
    assert answer.headers["Location"] == "/identity/sign-in?to=factors"


def test_security_26_proving_it_again_renews_the_id_and_keeps_the_session(
    app: Flask, browser: Browser, program: Program, clock: FakeClock
) -> None:
    tokens = program.redeem(browser.get_code()).json
    before = browser.cookie()
    assert browser.sign_in(at="/identity/sign-in?to=factors").status_code == 303
    assert browser.cookie() != before
    assert program.refresh(tokens["refresh_token"]).status_code == 200  # what services got stays
    assert browser.get("/identity/devices").text.count("End this sign-in") == 1
    browser.client.set_cookie("atoll_identity", before or "")
    assert browser.get(FACTORS).status_code == 303  # the old id is dead


def test_security_26_step_up_renews_the_id_and_raises_the_level(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    browser.sign_in()
    device = add_passkey(browser)
    plain = browser.claims(program.redeem(browser.get_code()).json["id_token"])
    assert plain["acr"] == "substantial"
    before = browser.cookie()
    asked = browser.authorize(acr_values="high")
    assert asked.headers["Location"].startswith("/identity/sign-in?"), "more than he has is asked"
    assert "asks for a stronger sign-in" in browser.get(asked.headers["Location"]).text
    answer = sign_in_with(browser, device, asked.headers["Location"])
    assert browser.cookie() != before
    code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    claims = browser.claims(program.redeem(code).json["id_token"])
    assert claims["acr"] == "high"
    assert claims["sid"] == plain["sid"]


def test_security_26_somebody_elses_sign_in_ends_the_session_before(
    browser: Browser, program: Program
) -> None:
    tokens = program.redeem(browser.get_code("aishath")).json
    kept = browser.cookie()
    browser.sign_in("ibrahim")
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    browser.client.set_cookie("atoll_identity", kept or "")
    assert browser.get(FACTORS).status_code == 303


def test_security_13_a_changed_password_ends_every_other_sign_in_and_every_token(
    app: Flask, browser: Browser, program: Program, start_state: dict, clock: FakeClock
) -> None:
    elsewhere = Browser(app, start_state, clock)
    tokens = [program.redeem(each.get_code()).json for each in (elsewhere, browser)]
    assert change_password(browser) == 303
    assert browser.get(FACTORS).status_code == 200  # here it goes on
    assert elsewhere.get(FACTORS).status_code == 303
    for each in tokens:
        assert program.refresh(each["refresh_token"]).json["error"] == "invalid_grant"
    told = [m for m in messages(app, "aishath") if "password" in m["body"]]
    assert {m["channel"] for m in told} == {"email", "sms"}
    clock.advance(seconds=31)
    assert browser.sign_in().status_code == 422
    assert browser.sign_in(password=NEW_PASSWORD).status_code == 303


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "aishath1", "Dhivehi123", "password"])
def test_security_36_a_weak_password_changes_nothing(
    app: Flask, browser: Browser, password: str
) -> None:
    browser.sign_in()
    hashed = person(app, "aishath").password_hash
    assert change_password(browser, password) == 422
    assert person(app, "aishath").password_hash == hashed
    assert messages(app, "aishath") == []


def test_security_13_a_new_app_replaces_the_old_one_and_ends_tokens(
    app: Flask, browser: Browser, program: Program, clock: FakeClock
) -> None:
    tokens = program.redeem(browser.get_code()).json
    page = browser.get(f"{FACTORS}/authenticator")
    secret = secret_on(page)
    form = {"form_token": browser.form_token(page), "set_up": hidden(page, "set_up")}
    wrong = browser.post(f"{FACTORS}/authenticator", form | {"code": "000000"})
    assert wrong.status_code == 422
    assert secret_on(wrong) == secret  # the telephone need not scan it anew
    code = totp.code_at(secret, totp.step_at(clock.now()))
    assert browser.post(f"{FACTORS}/authenticator", form | {"code": code}).status_code == 303
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert browser.sign_in(code=code).status_code == 422  # that code was used, to set it up
    clock.advance(seconds=31)
    assert browser.sign_in().status_code == 422  # the old app
    code = totp.code_at(secret, totp.step_at(clock.now()))
    assert browser.sign_in(code=code).status_code == 303


def test_the_app_cannot_be_removed_while_it_is_the_only_second_factor(browser: Browser) -> None:
    browser.sign_in()
    answer = send(browser, f"{FACTORS}/authenticator/remove", at=FACTORS)
    assert answer.status_code == 404
    assert "only second factor" in answer.text


def test_new_recovery_codes_void_the_old_ones(app: Flask, browser: Browser) -> None:
    browser.sign_in()
    old = new_codes(browser)
    new = new_codes(browser)
    assert browser.sign_in(code=old[0]).status_code == 422
    assert browser.sign_in(code=new[0]).status_code == 303
    assert "Unused codes: 9" in browser.get(FACTORS).text
    assert len(messages(app, "aishath")) == 6  # twice renewed, once used; an email and a text each


def test_one_sign_in_can_be_ended_from_another_device(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    telephone = Browser(app, start_state, clock)
    agent = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
    telephone.client.environ_base["HTTP_USER_AGENT"] = agent
    telephone.client.environ_base["HTTP_X_FORWARDED_FOR"] = "203.0.113.77"
    telephone.sign_in()
    clock.advance(seconds=31)
    browser.sign_in()
    page = browser.get("/identity/devices")
    assert "Chrome, Android" in page.text
    assert "203.0.113.*" in page.text
    assert "203.0.113.77" not in page.text
    ids = re.findall(r"/identity/devices/([0-9a-f]{64})/end", page.text)
    assert len(ids) == 2
    ended = [
        send(browser, f"/identity/devices/{one}/end", at="/identity/devices")
        for one in ids
        if one != ids[0]
    ]
    assert ended[0].status_code == 303
    assert telephone.get(FACTORS).status_code == 303
    assert browser.get(FACTORS).status_code == 200
    again = send(browser, f"/identity/devices/{ids[1]}/end", at="/identity/devices")
    assert again.status_code == 404


def test_somebody_elses_sign_in_cannot_be_ended(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    other = Browser(app, start_state, clock)
    other.sign_in("ibrahim")
    found = re.search(r"/identity/devices/([0-9a-f]{64})/end", other.get("/identity/devices").text)
    browser.sign_in()
    assert found
    answer = send(browser, f"/identity/devices/{found[1]}/end", at="/identity/devices")
    assert answer.status_code == 404
    assert other.get(FACTORS).status_code == 200


def test_every_sign_in_can_be_ended_at_once(
    app: Flask, browser: Browser, program: Program, start_state: dict, clock: FakeClock
) -> None:
    other = Browser(app, start_state, clock)
    tokens = program.redeem(other.get_code()).json
    browser.sign_in()
    answer = send(browser, "/identity/devices/end-all", at="/identity/devices")
    assert answer.headers["Location"] == "/identity/sign-in?done=ended"
    assert browser.get(FACTORS).status_code == other.get(FACTORS).status_code == 303
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_security_32_failures_are_shown_to_the_citizen(
    app: Flask, browser: Browser, start_state: dict, clock: FakeClock
) -> None:
    browser.sign_in()
    clock.advance(minutes=10)
    stranger = Browser(app, start_state, clock)
    for _ in range(3):
        stranger.sign_in(password="wrong")
    clock.advance(minutes=10)
    browser.sign_in()
    assert "failed since you last did, 3 times" in browser.get(FACTORS).text
    history = browser.get("/identity/history").text
    assert history.count("Somebody failed to sign in as you") == 3
    assert history.index("You signed in") < history.index("Somebody failed")


def test_the_history_has_pages_and_is_ones_own(
    app: Flask, browser: Browser, clock: FakeClock
) -> None:
    browser.sign_in("ibrahim")
    sub = person(app, "ibrahim").sub
    with parts_of(app).database.transaction() as session:
        for _ in range(audit.PAGE):
            audit.record_event(session, "registered", at=clock.now(), about=sub)
        audit.record_event(
            session, "passkey-added", at=clock.now(), about=person(app, "aishath").sub
        )
    first = browser.get("/identity/history").text
    assert first.count("The account was made") == audit.PAGE
    assert "passkey" not in first.partition("<main")[2]
    older = re.search(r'href="(/identity/history\?before=\d+)"', first)
    assert older
    assert "You signed in" in browser.get(older[1]).text
    for odd in ("x", "-1", "9" * 30, "²"):
        assert browser.get(f"/identity/history?before={odd}").status_code == 200


def test_the_audit_names_events_and_holds_no_secret(app: Flask, browser: Browser) -> None:
    browser.sign_in(password="wrong secret password")
    browser.sign_in()
    codes = new_codes(browser)
    change_password(browser)
    assert events(app, "aishath") == [
        "sign-in-failed",
        "signed-in",
        "recovery-codes-renewed",
        "password-changed",
    ]
    with parts_of(app).database.snapshot() as session:
        rows = audit.about_person(session, person(app, "aishath").sub)
    text = " ".join(str(vars(row)) for row in rows)
    for secret in ("wrong secret password", NEW_PASSWORD, codes[0], browser.cookie() or "x"):
        assert secret not in text
