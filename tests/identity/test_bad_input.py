"""Bad input at every address: a clear refusal, never a fault of ours."""

import dataclasses
import json

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from servicekit.settings import SettingsError, load
from services.identity.settings import Settings
from tests.identity.callers import BY_GATEWAY, FROM_GATEWAY, Browser, Program, authorization, basic
from tests.support.issuer import FakeIssuer

ADDRESSES = [
    ("GET", "/identity/userinfo"),
    ("GET", "/identity/contact-details"),
    ("GET", "/identity/agreements"),
]
ODD = [
    "",
    "a\0b",
    "\0",
    "ދިވެހި\u202e",
    "x" * 4000,
    "' OR 1=1 --",
    "<script>",
    "1e999",
    "-1",
    "9" * 30,
]
NAMES = sorted(authorization())


def refusal(program: Program, method: str, path: str, **headers: str) -> int:
    answer = program.call(method, path, headers=headers)
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == answer.status_code
    assert answer.json["detail"]
    return answer.status_code


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_a_missing_forged_or_foreign_token_is_refused(
    program: Program, issuer: FakeIssuer, method: str, path: str
) -> None:
    assert refusal(program, method, path) == 401
    forged = issuer.headers("identity", "openid identity.contact identity.consents")
    assert refusal(program, method, path, **forged) == 401
    elsewhere = program.own_token("fisheries", "registers")
    assert refusal(program, method, path, **elsewhere) == 401
    for header in ("Bearer", "Bearer ", "Basic x", "Bearer a.b", "Bearer \x7f", "x" * 9000):
        assert refusal(program, method, path, Authorization=header) == 401


def test_a_token_without_the_scope_is_refused(program: Program) -> None:
    contact = program.own_token("fisheries", "identity", "identity.contact")
    assert refusal(program, "GET", "/identity/agreements", **contact) == 403
    consents = program.own_token("fisheries", "identity", "identity.consents")
    assert refusal(program, "GET", "/identity/contact-details", **consents) == 403
    assert refusal(program, "GET", "/identity/userinfo", **consents) == 403


def test_without_the_gateways_key_nothing_answers(app: Flask) -> None:
    client = app.test_client()
    for path in ("/identity/jwks", "/identity/sign-in", "/identity/feed", "/identity/none"):
        assert client.get(path).status_code == 403
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_unknown_addresses_and_methods_are_told_apart(program: Program) -> None:
    assert refusal(program, "GET", "/identity/none") == 404
    assert refusal(program, "DELETE", "/identity/token") == 405
    assert refusal(program, "PUT", "/identity/sign-in") == 405


@pytest.mark.parametrize("name", NAMES)
def test_any_value_of_any_parameter_is_answered(browser: Browser, name: str) -> None:
    for text in ODD:
        values = authorization() | {name: text}
        for path in ("/identity/authorize", "/identity/sign-in"):
            assert browser.get(path, query_string=values).status_code in (200, 303, 400)
        posted = browser.client.post("/identity/authorize", data=values, headers=FROM_GATEWAY)
        assert posted.status_code in (303, 400)


@pytest.mark.parametrize("text", ODD)
def test_any_value_in_the_sign_in_form_is_answered(browser: Browser, text: str) -> None:
    for field in ("username", "password", "code"):
        assert browser.sign_in(**{field: text}).status_code in (422, 429)
        browser.clock.advance(seconds=60)


@pytest.mark.parametrize("text", ODD)
def test_any_value_at_the_token_endpoint_is_answered(program: Program, text: str) -> None:
    for grant in ("client_credentials", "authorization_code", "refresh_token", text):
        for name in ("scope", "resource", "code", "refresh_token", "redirect_uri", "client_id"):
            answer = program.token("portal", grant_type=grant, **{name: text})
            assert answer.status_code == 400
            assert answer.json["error"]


@pytest.mark.parametrize("text", ODD)
def test_any_number_at_a_list_is_answered(program: Program, text: str) -> None:
    token = program.own_token("fisheries", "identity", "identity.consents")
    answer = program.call(
        "GET", "/identity/agreements", headers=token, query_string={"before": text}
    )
    assert answer.status_code == 400
    answer = program.call("GET", "/identity/feed", headers=BY_GATEWAY, query_string={"after": text})
    assert answer.status_code == 400


def test_a_huge_or_broken_body_is_refused(program: Program) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    huge = program.call(
        "POST", "/identity/token", data="a=" + "x" * 6_000_000, headers=basic("portal") | form
    )
    assert huge.status_code == 413
    broken = program.call(
        "POST", "/identity/token", data=b"\xff\xfe&%zz=%", headers=basic("portal") | form
    )
    assert broken.status_code == 400
    parts = {"Content-Type": "multipart/form-data; boundary=x"}
    other = program.call("POST", "/identity/token", data=b"--x", headers=basic("portal") | parts)
    assert other.status_code == 400


@hypothesis_settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.dictionaries(st.sampled_from([*NAMES, "prompt", "max_age", "resource", "x"]), st.text()))
def test_no_authorization_request_makes_a_fault(program: Program, values: dict[str, str]) -> None:
    answer = program.call(
        "GET",
        "/identity/authorize",
        query_string=authorization()
        | {name: text.encode("utf-8", "replace").decode() for name, text in values.items()},
    )
    assert answer.status_code in (303, 400)


def test_every_fault_of_the_settings_is_named(settings: Settings) -> None:
    values = {
        "IDENTITY_DATABASE_URL": "sqlite://",
        "IDENTITY_GATEWAY_KEY": "short",
        "IDENTITY_SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "IDENTITY_DATA_KEY": "c2hvcnQ",
        "IDENTITY_FORM_KEY": "short",
        "IDENTITY_START_STATE": '{"people": []}',
        "IDENTITY_CODE_LIFE_S": "600",
        "IDENTITY_SESSION_IDLE_S": "0",
        "IDENTITY_REFRESH_RETRY_S": "-1",
    }
    with pytest.raises(SettingsError) as faults:
        load(Settings, "IDENTITY", values)
    for name in set(values) - {"IDENTITY_DATABASE_URL", "IDENTITY_GATEWAY_KEY"}:
        assert name in str(faults.value)
    with pytest.raises(SettingsError, match="IDENTITY_SIGNING_KEY is required"):
        load(Settings, "IDENTITY", {})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '{"people": {"a": 1}, "clients": {}}']
)
def test_a_malformed_start_state_stops_the_start(settings: Settings, text: str) -> None:
    with pytest.raises(SettingsError, match="IDENTITY_START_STATE"):
        dataclasses.replace(settings, start_state=text)


def test_a_demonstration_is_refused_where_others_can_reach_it(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        dataclasses.replace(settings, public_url="https://atoll.example")
    assert json.loads(settings.start_state or "")["people"]
