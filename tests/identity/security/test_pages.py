"""Sessions and pages: statements 26 to 30 of the identity profile."""

import json
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.storage.tables import Client, Person
from tests.identity.callers import FROM_GATEWAY, Browser, Program, authorization, query_of
from tests.support.clock import FakeClock

PAGES = [
    "/identity/sign-in",
    "/identity/sign-in?lang=dv",
    "/identity/consents",
    "/identity/sign-out",
    "/identity/register",
    "/identity/recovery",
    "/identity/recovery/cancel",
    "/identity/factors",
    "/identity/factors?lang=dv",
    "/identity/factors/password",
    "/identity/factors/authenticator",
    "/identity/factors/passkeys",
    "/identity/devices",
    "/identity/history",
]
FORMS = [
    "sign-in",
    "sign-in/passkey",
    "consents/x/withdraw",
    "consents/x/renew",
    "register",
    "register/second-factor",
    "register/passkey",
    "recovery-codes",
    "factors/password",
    "factors/authenticator",
    "factors/authenticator/remove",
    "factors/passkeys",
    "factors/passkeys/x/rename",
    "factors/passkeys/x/remove",
    "factors/recovery-codes",
    "devices/x/end",
    "devices/end-all",
    "recovery",
    "recovery/proof",
    "recovery/finish",
    "recovery/cancel",
    "recovery/stop",
]


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/identity/consents").status_code == 200


def test_security_26_the_session_gets_a_new_id_at_sign_in(browser: Browser) -> None:
    browser.get("/identity/sign-in")
    before = browser.cookie()
    browser.sign_in()
    after = browser.cookie()
    assert before is not None
    assert before != after
    browser.clock.advance(seconds=31)
    browser.sign_in()
    assert browser.cookie() != after


def test_security_26_a_planted_session_id_is_never_used(browser: Browser) -> None:
    planted = "p" * 43
    browser.client.set_cookie("atoll_identity", planted)
    browser.sign_in()
    assert browser.cookie() != planted
    browser.client.set_cookie("atoll_identity", planted)
    assert not is_signed_in(browser)


@pytest.mark.parametrize("cookie", ["", "short", "x" * 3000, "a\\000b", "ދިވެހި", "../" * 14 + "a"])
def test_security_26_a_malformed_cookie_is_no_session(browser: Browser, cookie: str) -> None:
    browser.client.set_cookie("atoll_identity", quote(cookie))
    assert not is_signed_in(browser)
    assert browser.get("/identity/sign-in").status_code == 200


def test_security_26_cookies_are_plain_on_loopback_and_locked_on_https(
    browser: Browser, https_app: Flask
) -> None:
    plain = browser.get("/identity/sign-in").headers["Set-Cookie"]
    assert plain.startswith("atoll_identity=")
    locked = (
        https_app.test_client().get("/identity/sign-in", headers=FROM_GATEWAY).headers["Set-Cookie"]
    )
    assert locked.startswith("__Host-atoll_identity=")
    assert "; Secure" in locked
    assert "Secure" not in plain
    for cookie in (plain, locked):
        assert "; HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "; Path=/" in cookie
        assert "Domain" not in cookie


def test_security_26_a_session_ends_when_nobody_uses_it(browser: Browser, clock: FakeClock) -> None:
    browser.sign_in()
    for _ in range(4):
        clock.advance(minutes=29)
        assert is_signed_in(browser)
    clock.advance(minutes=30)
    assert not is_signed_in(browser)


def test_security_26_a_session_ends_in_the_evening(browser: Browser, clock: FakeClock) -> None:
    browser.sign_in()
    for _ in range(23):
        clock.advance(minutes=20)
        assert is_signed_in(browser)
    clock.advance(minutes=20)
    assert not is_signed_in(browser)


def test_security_26_sign_out_kills_a_copied_cookie_and_every_token(
    browser: Browser, program: Program
) -> None:
    tokens = program.redeem(browser.get_code()).json
    copied = browser.cookie()
    page = browser.get("/identity/sign-out")
    done = browser.post("/identity/sign-out", {"form_token": browser.form_token(page)})
    assert done.status_code == 200
    assert browser.cookie() is None
    browser.client.set_cookie("atoll_identity", copied or "")
    assert not is_signed_in(browser)
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert program.call("GET", "/identity/userinfo", headers=bearer).status_code == 401
    assert program.feed()["events"][-1]["kind"] == "grant-revoked"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["sign-out", *FORMS])
def test_security_27_forms_from_other_sites_are_refused(
    browser: Browser, path: str, headers: dict[str, str]
) -> None:
    browser.sign_in()
    token = browser.form_token(browser.get("/identity/consents"))
    refused = browser.post(f"/identity/{path}", {"form_token": token}, headers=headers)
    assert refused.status_code == 403
    assert refused.mimetype == "text/html"
    assert is_signed_in(browser)


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ދިވެހި"])
@pytest.mark.parametrize("path", FORMS)
def test_security_27_forms_without_this_sessions_token_are_refused(
    browser: Browser, path: str, token: str | None
) -> None:
    browser.sign_in()
    form = {} if token is None else {"form_token": token}
    assert browser.post(f"/identity/{path}", form).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_security_28_every_page_is_locked_down(browser: Browser, path: str) -> None:
    browser.sign_in()
    page = browser.get(path)
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_security_28_a_form_may_lead_to_the_client_that_asked_and_to_nobody_else(
    browser: Browser, app: Flask
) -> None:
    with app.extensions["identity"].database.transaction() as session:
        portal = session.get_one(Client, "portal")
        portal.redirect_uris = ["https://portal.example/back"]
    page = browser.get(
        "/identity/sign-in",
        query_string=authorization(redirect_uri="https://portal.example/back"),
    )
    assert "form-action 'self' https://portal.example;" in page.headers["Content-Security-Policy"]
    plain = browser.get("/identity/sign-in", query_string={"redirect_uri": "https://evil.example/"})
    assert "form-action 'self';" in plain.headers["Content-Security-Policy"]


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/portal/", None])
def test_security_29_sign_out_leads_to_registered_addresses_only(
    browser: Browser, program: Program, address: str | None
) -> None:
    hint = program.redeem(browser.get_code()).json["id_token"]
    query = {"id_token_hint": hint, "state": "s"}
    if address is not None:
        query["post_logout_redirect_uri"] = address
    page = browser.get("/identity/sign-out", query_string=query)
    assert page.status_code == 200
    assert "Location" not in page.headers
    assert not is_signed_in(browser)


def test_security_29_sign_out_with_a_valid_hint_goes_back_to_the_client(
    browser: Browser, program: Program
) -> None:
    hint = program.redeem(browser.get_code()).json["id_token"]
    browser.clock.advance(minutes=20)  # expired hints count (section 2)
    query = {
        "id_token_hint": hint,
        "post_logout_redirect_uri": "http://localhost:8000/",
        "state": "s 1",
    }
    page = browser.get("/identity/sign-out", query_string=query)
    assert page.status_code == 303
    assert page.headers["Location"] == "http://localhost:8000/?state=s+1"
    assert not is_signed_in(browser)


@pytest.mark.parametrize("hint", [None, "", "a.b.c", "x" * 9000, "ދިވެހި"])
def test_security_29_sign_out_without_a_valid_hint_asks_first(
    browser: Browser, hint: str | None
) -> None:
    browser.sign_in()
    query = {"post_logout_redirect_uri": "http://localhost:8000/", "client_id": "portal"}
    if hint is not None:
        query["id_token_hint"] = hint
    page = browser.get("/identity/sign-out", query_string=query)
    assert page.status_code == 200
    assert is_signed_in(browser)


def test_security_29_somebody_elses_hint_asks_first(browser: Browser, program: Program) -> None:
    hint = program.redeem(browser.get_code("ibrahim")).json["id_token"]
    browser.sign_in("aishath")
    page = browser.get("/identity/sign-out", query_string={"id_token_hint": hint})
    assert page.status_code == 200
    assert is_signed_in(browser)


def test_security_29_after_sign_in_the_way_leads_to_our_own_page(browser: Browser) -> None:
    for extra in ("", "?next=https://evil.example", "?redirect_uri=https://evil.example"):
        browser.clock.advance(seconds=31)
        answer = browser.sign_in(at=f"/identity/sign-in{extra}")
        assert answer.headers["Location"] == "/identity/consents"


def test_security_30_names_with_markup_are_harmless(
    app: Flask, browser: Browser, program: Program
) -> None:
    name = '<script>alert(1)</script>"\u202e\r\nX: y'
    with app.extensions["identity"].database.transaction() as session:
        session.query(Person).filter_by(username="aishath").update({"name": name})
        session.get_one(Client, "portal").name = {"en": name}
    page = browser.get("/identity/sign-in", query_string=authorization())
    assert "<script>alert" not in page.text
    code = browser.get_code()
    assert "<script>alert" not in browser.get("/identity/consents").text
    access = program.redeem(code).json["access_token"]
    who = program.call("GET", "/identity/userinfo", headers={"Authorization": f"Bearer {access}"})
    assert who.json["name"] == name


def test_a_page_in_dhivehi_reads_from_right_to_left(browser: Browser) -> None:
    page = browser.authorize(lang="dv")
    assert "lang=dv" in page.headers["Location"]
    shown = browser.get(page.headers["Location"]).text
    assert '<html lang="dv" dir="rtl">' in shown
    assert "ސައިން އިން" in shown
    answer = browser.sign_in("aishath", page.headers["Location"])
    assert "code" in query_of(answer)


def test_the_language_a_client_asks_for_is_used(browser: Browser) -> None:
    page = browser.get("/identity/sign-in", query_string=authorization(ui_locales="fr dv en"))
    assert 'dir="rtl"' in page.text


def test_a_login_hint_fills_in_the_name_alone(browser: Browser) -> None:
    page = browser.get("/identity/sign-in", query_string=authorization(login_hint='a"<b>ޝާ'))
    assert 'value="a&#34;&lt;b&gt;ޝާ"' in page.text


def problem(response: TestResponse) -> dict:
    assert response.mimetype == "application/problem+json"
    return json.loads(response.data)


def test_a_refused_page_has_a_way_back(browser: Browser) -> None:
    browser.sign_in()
    token = browser.form_token(browser.get("/identity/consents"))
    page = browser.post("/identity/consents/none/withdraw", {"form_token": token})
    assert page.status_code == 404
    assert 'href="/"' in page.text
