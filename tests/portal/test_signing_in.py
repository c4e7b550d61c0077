"""Signing in, staying in and signing out: what a stranger, a thief or a forger cannot do."""

import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import text

from servicekit.database import Database
from services.portal.components import Components
from services.portal.domain.pkce import challenge
from services.portal.sessions import SESSION_S, SIGN_IN_S
from services.portal.vault import Vault
from tests.portal.conftest import Browser, MovableClock
from tests.portal.platform import FakePlatform


def components(app: Flask) -> Components:
    found = app.extensions["portal"]
    assert isinstance(found, Components)
    return found


def test_a_sign_in_comes_back_to_the_page_that_was_wanted(browser: Browser) -> None:
    answer = browser.come_back(browser.begin("/portal/inbox?channel=email&lang=dv"))
    assert answer.location == "/portal/inbox?channel=email&lang=dv"
    assert "Signed in as Aishath Demo" in browser.text("/")


def test_identity_is_asked_with_state_nonce_and_pkce(
    browser: Browser, platform: FakePlatform
) -> None:
    asked = browser.begin()
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://localhost:8000/portal/callback"
    assert asked["ui_locales"] == "en"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    browser.come_back(asked)
    redeemed = next(one for one in platform.requests if "code_verifier" in str(one.body))
    form = parse_qs(str(redeemed.body))
    assert challenge(form["code_verifier"][0]) == asked["code_challenge"]
    assert redeemed.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/identity/x", "x", ""]
)
def test_a_sign_in_never_leads_away_from_the_portal(browser: Browser, back: str) -> None:
    assert browser.come_back(browser.begin(back)).location == "/"


def test_the_cookie_changes_when_somebody_signs_in(browser: Browser) -> None:
    asked = browser.begin()
    before = browser.cookie()
    answer = browser.come_back(asked)
    assert before
    assert browser.cookie() != before
    flags = answer.headers["Set-Cookie"]
    assert "HttpOnly" in flags
    assert "SameSite=Lax" in flags
    assert "Path=/" in flags


def test_on_https_the_cookie_is_bound_to_the_host(make_app: Callable[..., Flask]) -> None:
    app = make_app(public_url="https://atoll.example", start_state=None)
    answer = app.test_client().get(
        "/portal/sign-in", headers={"Atoll-Gateway-Key": "k" * 64}, base_url="https://atoll.example"
    )
    assert answer.headers["Set-Cookie"].startswith("__Host-atoll_portal=")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "another"},
        {"state": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"code": "used-code"},
        {"code": None, "error": "access_denied"},
    ],
)
def test_a_wrong_answer_signs_nobody_in(browser: Browser, changes: dict[str, str | None]) -> None:
    answer = browser.come_back(browser.begin(), **changes)
    assert answer.status_code == 400
    assert "Sign in" in answer.text
    assert "Signed in as" not in browser.text("/")


def test_a_sign_in_works_once(browser: Browser) -> None:
    asked = browser.begin()
    assert browser.come_back(asked).status_code == 303
    assert browser.come_back(asked).status_code == 400


def test_a_sign_in_belongs_to_the_browser_that_began_it(
    app: Flask, browser: Browser, platform: FakePlatform
) -> None:
    victim = Browser(app, platform)
    victim.begin()
    asked = browser.begin()
    assert victim.come_back(asked).status_code == 400
    assert browser.come_back(asked).status_code == 303


def test_a_sign_in_waits_ten_minutes_at_most(browser: Browser, clock: MovableClock) -> None:
    asked = browser.begin()
    clock.ahead = timedelta(seconds=SIGN_IN_S + 1)
    assert browser.come_back(asked).status_code == 400


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["portal", "another-client"]},
        {"azp": "another-client"},
        {"exp": int(time.time()) - 60},
        {"iat": int(time.time()) - 3600},
        {"iat": int(time.time()) + 3600},
        {"exp": "soon"},
        {"sub": None},
        {"exp": None},
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, platform: FakePlatform, claims: dict[str, Any]
) -> None:
    platform.id_token = claims
    assert browser.come_back(browser.begin()).status_code == 400
    assert "Signed in as" not in browser.text("/")


def test_an_id_token_of_another_key_is_refused(browser: Browser, platform: FakePlatform) -> None:
    platform.id_token_key = ec.generate_private_key(ec.SECP256R1())
    assert browser.come_back(browser.begin()).status_code == 400


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"kid": "unknown"}])
def test_an_id_token_of_another_kind_is_refused(
    browser: Browser, platform: FakePlatform, header: dict[str, Any]
) -> None:
    platform.id_token_header = header
    assert browser.come_back(browser.begin()).status_code == 400


def test_an_id_token_without_signature_is_refused(app: Flask, platform: FakePlatform) -> None:
    verify = components(app).sessions._id_tokens.verify
    claims = {"iss": platform.issuer.issuer, "sub": "x", "aud": "portal", "nonce": "n"}
    claims |= {"iat": int(time.time()), "exp": int(time.time()) + 60}
    kid = {"kid": platform.issuer.kid}
    for forged in (
        jwt.encode(claims, "", algorithm="none", headers=kid),
        jwt.encode(claims, "k" * 32, algorithm="HS256", headers=kid),
        "",
        "a.b.c",
        "é",
    ):
        with pytest.raises(Exception, match="could not be verified"):
            verify(forged, "n")
    real = jwt.encode(claims, platform.issuer.private_key, algorithm="ES256", headers=kid)
    assert verify(real, "n")["sub"] == "x"


def test_a_session_ends_after_eight_hours(browser: Browser, clock: MovableClock) -> None:
    browser.sign_in()
    clock.ahead = timedelta(seconds=SESSION_S + 1)
    browser.text("/portal/inbox", 403)


def test_sign_out_ends_the_session_here_and_at_identity(browser: Browser) -> None:
    browser.sign_in()
    answer = browser.post("/portal/sign-out", data={"form_token": browser.form_token()})
    leads_to = urlsplit(answer.location)
    assert leads_to.path == "/identity/sign-out"
    assert parse_qs(leads_to.query)["post_logout_redirect_uri"] == ["http://localhost:8000/"]
    assert parse_qs(leads_to.query)["id_token_hint"]
    browser.text("/portal/inbox", 403)


@pytest.mark.parametrize("path", ["/portal/sign-out", "/portal/licence"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("wrong", {}),
        (None, {"Origin": "https://evil.example"}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_a_form_of_another_site_changes_nothing(
    browser: Browser, path: str, token: str | None, headers: dict[str, str]
) -> None:
    browser.sign_in()
    given = browser.form_token() if token is None else token
    answer = browser.post(path, data={"form_token": given}, headers=headers)
    assert answer.status_code == 403
    assert "Signed in as" in browser.text("/")


def test_a_form_token_belongs_to_one_browser(
    app: Flask, browser: Browser, platform: FakePlatform
) -> None:
    stolen = Browser(app, platform).form_token()
    assert browser.post("/portal/licence", data={"form_token": stolen}).status_code == 403


def test_a_made_up_cookie_is_nobody(browser: Browser) -> None:
    for value in ("x" * 43, "", "é", "' OR 1=1 --", "x" * 3000):
        browser.client.set_cookie("atoll_portal", value)
        browser.text("/portal/inbox", 403)


def test_the_database_holds_no_token_name_or_cookie(
    browser: Browser, sqlite: Database, platform: FakePlatform
) -> None:
    browser.sign_in()
    browser.text("/portal/inbox")
    with sqlite.snapshot() as session:
        rows = repr(session.execute(text("SELECT * FROM browser_session")).all())
    assert "Aishath" not in rows
    assert platform.refresh_token not in rows
    assert browser.cookie() not in rows
    assert not re.search(r"eyJ[A-Za-z0-9]", rows)


def test_a_sealed_text_belongs_to_its_row_and_key() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.seal("row", {"a": 1})
    assert vault.unseal("row", sealed) == {"a": 1}
    assert vault.unseal("other", sealed) is None
    assert Vault(b"x" * 32).unseal("row", sealed) is None
    assert vault.unseal("row", sealed[:-1]) is None
    assert vault.unseal("row", b"") is None


def test_each_service_gets_its_own_token_once(browser: Browser, platform: FakePlatform) -> None:
    browser.sign_in()
    for _ in range(3):
        browser.text("/portal/inbox")
        browser.text("/portal/my-data")
    assert platform.refreshes == 2
    audiences = {
        platform.claims(one)["aud"]
        for one in platform.requests
        if "/notify/inbox" in str(one.url) or "/exchanges" in str(one.url)
    }
    assert audiences == {"urn:atoll:notify", "urn:atoll:gateway"}


def test_a_token_is_renewed_before_it_ends(
    browser: Browser, platform: FakePlatform, clock: MovableClock
) -> None:
    browser.sign_in()
    browser.text("/portal/inbox")
    clock.ahead = timedelta(seconds=850)
    browser.text("/portal/inbox")
    assert platform.refreshes == 2


def test_requests_at_the_same_time_renew_once(
    app: Flask, browser: Browser, platform: FakePlatform
) -> None:
    browser.sign_in()
    sessions = components(app).sessions
    person = sessions.find(browser.cookie())
    assert person is not None
    tokens: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: tokens.append(sessions.token(person, "notify", "notify.inbox"))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8
    assert len(set(tokens)) == 1
    assert platform.refreshes == 1


def test_a_grant_that_identity_ended_asks_to_sign_in_again(
    browser: Browser, platform: FakePlatform
) -> None:
    browser.sign_in()
    platform.refresh_token = "another"
    browser.text("/portal/inbox", 403)
    assert "Signed in as" not in browser.text("/")


def test_identity_being_away_ends_no_session(browser: Browser, platform: FakePlatform) -> None:
    browser.sign_in()
    platform.down.add("identity")
    assert "not answering" in browser.text("/portal/inbox")
    platform.down.clear()
    assert "No texts yet" in browser.text("/portal/inbox")


def test_a_reset_signs_everyone_out(browser: Browser) -> None:
    browser.sign_in()
    gateway = {"Atoll-Caller": "urn:atoll:gateway"}
    assert browser.post("/portal/operate/reset").status_code == 404
    assert browser.post("/portal/operate/reset", headers=gateway).status_code == 204
    browser.text("/portal/inbox", 403)
