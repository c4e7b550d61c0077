"""The webhook tester: what arrives is kept for a day, shown as text, and its signature checked."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from servicekit.database import Database
from services.portal.domain import hooks
from services.portal.domain.hooks import Delivery
from services.portal.storage import metadata
from tests.portal.conftest import Browser, MovableClock
from tests.portal.platform import FakePlatform

HOOKS = "/portal/developers/hooks"
KEY = secrets.token_bytes(32)
SECRET = hooks.SECRET_PREFIX + base64.b64encode(KEY).decode()


def made(browser: Browser) -> str:
    """Sign in and make an address; return its id."""
    browser.sign_in()
    return another(browser)


def another(browser: Browser) -> str:
    answer = browser.post(HOOKS, data={"form_token": browser.form_token(HOOKS)})
    assert answer.status_code == 303, answer.text
    return str(answer.location.partition(f"{HOOKS}/")[2])


def send(browser: Browser, inbox: str, body: bytes | str = b"{}", **headers: str) -> Any:
    """Send a webhook as a stranger does, without a cookie."""
    return browser.client.application.test_client().post(
        f"/portal/hooks/{inbox}",
        data=body,
        headers={
            "Atoll-Gateway-Key": browser.client.environ_base["HTTP_ATOLL_GATEWAY_KEY"],
            "Content-Type": "application/json",
        }
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )


def signed(clock: MovableClock, body: bytes, *, key: bytes = KEY, ago_s: int = 0) -> dict[str, str]:
    at = str(int(clock.now().timestamp()) - ago_s)
    mac = hmac.digest(key, f"msg.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook_id": "msg",
        "webhook_timestamp": at,
        "webhook_signature": "v1,AAAA v1," + base64.b64encode(mac).decode(),
    }


def keep_secret(browser: Browser, inbox: str, secret: str = SECRET) -> Any:
    path = f"{HOOKS}/{inbox}"
    form = {"form_token": browser.form_token(path), "secret": secret}
    return browser.post(f"{path}/secret", data=form)


def test_what_arrives_is_shown_with_headers_and_body(browser: Browser) -> None:
    inbox = made(browser)
    assert "Nothing has arrived yet" in browser.text(f"{HOOKS}/{inbox}")
    answer = send(browser, inbox, b'{"islands": 189}', Authorization="Bearer of-the-callback")
    assert (answer.status_code, answer.data) == (204, b"")
    text = browser.text(f"{HOOKS}/{inbox}")
    assert "{&#34;islands&#34;: 189}" in text
    assert "Authorization: Bearer of-the-callback" in text
    assert "Atoll-Gateway-Key" not in text
    assert "not checked" in text


def test_nothing_that_was_sent_becomes_part_of_the_page(browser: Browser) -> None:
    inbox = made(browser)
    evil = "</code></pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    send(browser, inbox, evil, X_Evil=evil)
    answer = browser.get(f"{HOOKS}/{inbox}")
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    saved = browser.get(f"{HOOKS}/{inbox}/1")
    assert saved.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert saved.headers["X-Content-Type-Options"] == "nosniff"
    assert saved.headers["Content-Security-Policy"].endswith("sandbox")
    assert saved.text.endswith(evil)


def test_signatures_are_checked_once_the_secret_is_known(
    browser: Browser, clock: MovableClock
) -> None:
    inbox, body = made(browser), b'{"a": 1}'
    send(browser, inbox, body, **signed(clock, body))
    send(browser, inbox, body, **signed(clock, body, key=secrets.token_bytes(32)))
    send(browser, inbox, body, **signed(clock, body, ago_s=600))
    send(browser, inbox, body)
    assert keep_secret(browser, inbox).status_code == 303
    text = browser.text(f"{HOOKS}/{inbox}")
    found = re.findall(r"(signature good|signature wrong|signed, but too old|not signed)<", text)
    assert found == ["not signed", "signed, but too old", "signature wrong", "signature good"]
    assert SECRET not in text


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64!", "whsec_AAAA", "ޑި" * 150])
def test_a_text_that_is_no_secret_is_refused(browser: Browser, secret: str) -> None:
    inbox = made(browser)
    answer = keep_secret(browser, inbox, secret)
    assert answer.status_code == 422
    assert "Enter a secret like whsec_" in answer.text


def test_only_the_last_twenty_are_kept(browser: Browser) -> None:
    inbox = made(browser)
    for number in range(hooks.KEPT + 3):
        assert send(browser, inbox, f'"n{number + 1}"').status_code == 204
    text = browser.text(f"{HOOKS}/{inbox}")
    kept = [int(number) for number in re.findall(r'id="delivery-(\d+)"', text)]
    assert kept == list(range(hooks.KEPT + 3, 3, -1))
    assert browser.get(f"{HOOKS}/{inbox}/3").status_code == 404


def test_an_address_takes_so_many_a_minute_and_goes_on_in_the_next(
    browser: Browser, clock: MovableClock
) -> None:
    inbox = made(browser)
    into_the_minute = clock.now().second
    clock.ahead += timedelta(seconds=60 - into_the_minute)  # the bound must not fall into two
    answers = [send(browser, inbox).status_code for _ in range(hooks.A_MINUTE)]
    assert set(answers) == {204}
    refused = send(browser, inbox)
    assert refused.status_code == 429
    assert refused.json["type"].endswith("/too-many-requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    clock.ahead += timedelta(seconds=60)
    assert send(browser, inbox).status_code == 204


def test_a_body_is_small(browser: Browser) -> None:
    inbox = made(browser)
    assert send(browser, inbox, b"x" * hooks.MAX_BODY_BYTES).status_code == 204
    assert send(browser, inbox, b"x" * (hooks.MAX_BODY_BYTES + 1)).status_code == 413
    assert "1 arrived" in browser.text(HOOKS)


def test_an_address_ends_after_a_day_with_everything_in_it(
    browser: Browser, clock: MovableClock, sqlite: Database
) -> None:
    inbox = made(browser)
    send(browser, inbox)
    clock.ahead += timedelta(hours=24, minutes=1)
    assert send(browser, inbox).status_code == 404
    now = int(clock.now().timestamp())
    browser.platform.id_token = {"iat": now, "exp": now + 300}
    browser.sign_in()
    assert browser.get(f"{HOOKS}/{inbox}").status_code == 404
    another(browser)
    with sqlite.snapshot() as session:
        assert session.execute(metadata.tables["hook_delivery"].select()).all() == []


@pytest.mark.parametrize("inbox", ["x", "A" * 22, "A" * 500, "..", "%00", "ޑި"])
def test_no_other_address_takes_anything(browser: Browser, inbox: str) -> None:
    answer = send(browser, inbox)
    assert answer.status_code == 404
    assert answer.json["type"].endswith("/not-found")


def test_nobody_else_sees_changes_or_removes_an_address(
    browser: Browser, platform: FakePlatform, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = made(browser)
    send(browser, inbox, b'"mine"')
    path = f"{HOOKS}/{inbox}"
    other = Browser(app, platform)
    assert other.get(path).status_code == 403  # signed out
    monkeypatch.setattr("tests.portal.platform.AISHATH", "pairwise-ibrahim")
    other.sign_in()
    assert other.get(path).status_code == other.get(f"{path}/1").status_code == 404
    form = {"form_token": other.form_token(HOOKS), "secret": SECRET}
    assert other.post(f"{path}/secret", data=form).status_code == 404
    other.post(f"{path}/remove", data=form)
    assert "mine" in browser.text(path)


def test_a_person_has_three_and_may_remove_one(browser: Browser) -> None:
    inbox = made(browser)
    for _ in range(hooks.OF_ONE_PERSON - 1):
        another(browser)
    form = {"form_token": browser.form_token(HOOKS)}
    refused = browser.post(HOOKS, data=form)
    assert refused.status_code == 409
    assert "You have 3 addresses" in refused.text
    assert browser.post(f"{HOOKS}/{inbox}/remove", data=form).status_code == 303
    assert browser.get(f"{HOOKS}/{inbox}").status_code == 404
    another(browser)


def test_a_form_of_another_page_makes_nothing(browser: Browser) -> None:
    browser.sign_in()
    assert browser.post(HOOKS, data={"form_token": "0" * 64}).status_code == 403
    assert "None yet" in browser.text(HOOKS)


def test_what_is_kept_cannot_be_read_in_the_database(browser: Browser, sqlite: Database) -> None:
    inbox = made(browser)
    send(browser, inbox, b"a secret of the body")
    keep_secret(browser, inbox)
    with sqlite.snapshot() as session:
        [delivery] = session.execute(metadata.tables["hook_delivery"].select()).all()
        [row] = session.execute(metadata.tables["hook_inbox"].select()).all()
    assert b"secret of the body" not in delivery.sealed
    assert SECRET.encode() not in row.sealed_secret
    assert "pairwise-aishath" not in str(row)


def test_without_a_demonstration_there_is_no_tester(
    make_app: Callable[..., Flask], platform: FakePlatform
) -> None:
    browser = Browser(make_app(start_state=None), platform)
    browser.sign_in()
    assert browser.get(HOOKS).status_code == 404
    assert send(browser, "A" * 22).status_code == 404


@given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_headers_make_the_check_fail(body: bytes, one: str, two: str, three: str) -> None:
    headers = (("webhook-id", one), ("webhook-timestamp", two), ("webhook-signature", three))
    verdict = hooks.verdict(KEY, Delivery(1, 1_800_000_000, headers, body))
    assert verdict in ("bad", "unsigned")
