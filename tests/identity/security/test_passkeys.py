"""Passkeys: statement 34 of the identity profile, and what a sign-in with one is worth."""

import dataclasses
import json

import pytest
from flask import Flask

from servicekit.database import Database
from services.identity.app import create_app
from services.identity.passkeys import relying_party
from services.identity.settings import Settings
from services.identity.storage.tables import Person, SignInSession
from tests.identity.callers import FROM_GATEWAY, Browser, Program
from tests.identity.citizens import (
    add_passkey,
    events,
    key_on,
    messages,
    options_on,
    parts_of,
    send,
    sign_in_with,
)
from tests.support.clock import FakeClock
from tests.support.passkey import BACKED_UP, CAN_BACK_UP, PRESENT, VERIFIED, SoftPasskey, b64


@pytest.fixture
def device(browser: Browser) -> SoftPasskey:
    """Aishath's passkey; afterwards nobody is signed in."""
    browser.sign_in()
    added = add_passkey(browser)
    browser.client.delete_cookie("atoll_identity", domain="localhost")
    return added


def level(app: Flask, browser: Browser) -> tuple[str, list[str]]:
    with parts_of(app).database.snapshot() as session:
        found = session.query(SignInSession).order_by(SignInSession.auth_time.desc()).first()
    assert found is not None
    return found.acr, found.amr


def test_a_passkey_signs_in_without_a_user_name(
    app: Flask, browser: Browser, device: SoftPasskey, clock: FakeClock
) -> None:
    clock.advance(seconds=1)
    page = browser.get("/identity/sign-in")
    assert options_on(page)["userVerification"] == "required"
    assert options_on(page).get("allowCredentials", []) == []
    assert sign_in_with(browser, device).status_code == 303
    assert "Aishath" in browser.get("/identity/consents").text
    assert level(app, browser) == ("high", ["hwk", "user", "mfa"])
    assert sign_in_with(browser, device).status_code == 303  # and again, with a new challenge


def test_a_copied_passkey_counts_as_much_as_password_and_code(
    app: Flask, browser: Browser, clock: FakeClock
) -> None:
    browser.sign_in()
    flags = PRESENT | VERIFIED | CAN_BACK_UP | BACKED_UP
    device = add_passkey(browser, SoftPasskey(flags=flags))
    clock.advance(seconds=1)
    assert sign_in_with(browser, device).status_code == 303
    assert level(app, browser) == ("substantial", ["swk", "user", "mfa"])


def test_the_level_is_never_above_what_is_known_of_the_person(
    app: Flask, browser: Browser, device: SoftPasskey, clock: FakeClock
) -> None:
    with parts_of(app).database.transaction() as session:
        session.query(Person).filter_by(username="aishath").update({"identity_level": "low"})
    clock.advance(seconds=1)
    assert sign_in_with(browser, device).status_code == 303
    assert level(app, browser)[0] == "low"


def test_a_client_gets_a_code_after_a_passkey(
    browser: Browser, program: Program, device: SoftPasskey
) -> None:
    at = browser.authorize(acr_values="high").headers["Location"]
    answer = sign_in_with(browser, device, at)
    assert answer.status_code == 303
    code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    claims = browser.claims(program.redeem(code).json["id_token"])
    assert claims["acr"] == "high"
    assert "mfa" in claims["amr"]


def refused(browser: Browser, device: SoftPasskey, **changes: str) -> None:
    assert sign_in_with(browser, device, **changes).status_code == 422
    assert browser.get("/identity/consents").status_code == 303


def test_security_34_a_wrong_origin_is_refused(browser: Browser, device: SoftPasskey) -> None:
    for origin in ("https://evil.example", "http://localhost:9999", "https://localhost:8000"):
        refused(browser, dataclasses.replace(device, origin=origin))


def test_security_34_a_wrong_relying_party_is_refused(
    browser: Browser, device: SoftPasskey
) -> None:
    refused(browser, dataclasses.replace(device, rp_id="evil.example"))


def test_security_34_without_user_verification_it_is_refused(
    browser: Browser, device: SoftPasskey
) -> None:
    refused(browser, dataclasses.replace(device, flags=PRESENT))


def test_security_34_a_replayed_challenge_is_refused(
    app: Flask, browser: Browser, device: SoftPasskey
) -> None:
    page = browser.get("/identity/sign-in")
    form = {"form_token": browser.form_token(page), "credential": device.get(options_on(page))}
    browser.client.set_cookie("kept", "x")
    session_cookie = browser.cookie()
    assert browser.post("/identity/sign-in/passkey", form).status_code == 303
    browser.client.set_cookie("atoll_identity", session_cookie or "")
    assert browser.post("/identity/sign-in/passkey", form).status_code == 422
    later = json.loads(device.get(options_on(page)))  # a new signature over the same challenge
    form["credential"] = json.dumps(later)
    assert browser.post("/identity/sign-in/passkey", form).status_code == 422


def test_security_34_a_challenge_of_another_browser_or_use_is_refused(
    app: Flask, browser: Browser, device: SoftPasskey, start_state: dict, clock: FakeClock
) -> None:
    other = Browser(app, start_state, clock)
    stolen = device.get(options_on(other.get("/identity/sign-in")))
    form = {"form_token": browser.form_token(browser.get("/identity/sign-in"))}
    answer = browser.post("/identity/sign-in/passkey", form | {"credential": stolen})
    assert answer.status_code == 422
    browser.sign_in("ibrahim")
    wrong_use = device.get(options_on(browser.get("/identity/factors/passkeys")))
    form = {"form_token": browser.form_token(browser.get("/identity/sign-in"))}
    answer = browser.post("/identity/sign-in/passkey", form | {"credential": wrong_use})
    assert answer.status_code == 422


def test_security_34_a_challenge_lives_a_quarter_of_an_hour(
    browser: Browser, device: SoftPasskey, clock: FakeClock
) -> None:
    page = browser.get("/identity/sign-in")
    form = {"form_token": browser.form_token(page), "credential": device.get(options_on(page))}
    clock.advance(minutes=15)
    assert browser.post("/identity/sign-in/passkey", form).status_code == 422


def test_security_34_another_users_credential_is_refused(
    browser: Browser, device: SoftPasskey
) -> None:
    refused(browser, device, userHandle=b64(b"somebody-else-entirely"))
    stranger = SoftPasskey(credential_id=device.credential_id, user_handle=device.user_handle)
    refused(browser, stranger)  # another key under the same name


def test_security_34_a_counter_going_back_is_refused(
    app: Flask, browser: Browser, device: SoftPasskey
) -> None:
    assert sign_in_with(browser, device).status_code == 303
    browser.client.delete_cookie("atoll_identity", domain="localhost")
    device.count -= 1  # a copy of the key, made before that sign-in
    refused(browser, device)
    assert events(app, "aishath")[-1] == "sign-in-failed"


def test_security_34_a_deleted_credential_is_refused(browser: Browser, device: SoftPasskey) -> None:
    assert sign_in_with(browser, device).status_code == 303
    key = key_on(browser.get("/identity/factors"))
    answer = send(browser, f"/identity/factors/passkeys/{key}/remove", at="/identity/factors")
    assert answer.status_code == 303
    browser.client.delete_cookie("atoll_identity", domain="localhost")
    refused(browser, device)


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"id": 1}',
        "x" * 20_000,
        "[" * 9000,
        '{"id":"a","response":{}}',
    ],
)
def test_security_34_what_is_no_answer_is_refused(browser: Browser, credential: str) -> None:
    for path in ("/identity/sign-in/passkey", "/identity/register/passkey"):
        answer = send(browser, path, at="/identity/sign-in", credential=credential)
        assert answer.status_code in (303, 422)
    assert browser.get("/identity/consents").status_code == 303


def test_a_passkey_is_announced_renamed_and_never_the_last_to_go(
    app: Flask, browser: Browser, device: SoftPasskey, clock: FakeClock
) -> None:
    assert {m["channel"] for m in messages(app, "aishath")} == {"email", "sms"}
    assert "passkey was added" in messages(app, "aishath")[0]["body"]
    assert sign_in_with(browser, device).status_code == 303
    key = key_on(browser.get("/identity/factors"))
    at = f"/identity/factors/passkeys/{key}"
    send(browser, f"{at}/rename", at="/identity/factors", label="<b>ފޯނު\u202e")
    assert "&lt;b&gt;ފޯނު" in browser.get("/identity/factors").text
    removed = send(browser, "/identity/factors/authenticator/remove", at="/identity/factors")
    assert removed.status_code == 303
    last = send(browser, f"{at}/remove", at="/identity/factors")
    assert last.status_code == 404
    assert "only second factor" in last.text
    assert browser.sign_in(code="000000").status_code == 422  # password alone opens nothing


def test_somebody_elses_passkey_cannot_be_touched(
    app: Flask, browser: Browser, device: SoftPasskey
) -> None:
    assert sign_in_with(browser, device).status_code == 303
    key = key_on(browser.get("/identity/factors"))
    browser.sign_in("ibrahim")
    for verb in ("rename", "remove"):
        at = f"/identity/factors/passkeys/{key}/{verb}"
        assert send(browser, at, at="/identity/factors", label="mine").status_code == 404


def test_an_address_of_digits_has_no_passkeys(
    settings: Settings, file_database: Database, clock: FakeClock
) -> None:
    assert relying_party("http://127.0.0.1:8000") is None
    assert relying_party("http://[::1]:8000") is None
    assert relying_party("https://atoll.example") == "atoll.example"
    digits = dataclasses.replace(settings, public_url="http://127.0.0.1:8000")
    app = create_app(digits, database=file_database, clock=clock)
    page = app.test_client().get("/identity/sign-in", headers=FROM_GATEWAY)
    assert page.status_code == 200
    assert "data-passkey=" not in page.text
