"""Codes and tokens: statements 11 to 14 and 16 to 18 of the identity profile."""

import base64
from typing import Any

import jwt
import pytest
from flask import Flask

from servicekit.problems import Unauthenticated
from servicekit.tokens import KeySource, Verifier
from tests.identity.callers import REDIRECT_URI, Browser, Program, basic
from tests.support.clock import FakeClock


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def userinfo(program: Program, token: str) -> int:
    return program.call("GET", "/identity/userinfo", headers=bearer(token)).status_code


def test_security_11_a_code_lives_a_minute(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    browser.sign_in()
    in_time, late = browser.get_code(), browser.get_code()
    clock.advance(seconds=59)
    assert program.redeem(in_time).status_code == 200
    clock.advance(seconds=1)
    assert program.redeem(late).json["error"] == "invalid_grant"


@pytest.mark.parametrize("seconds", [0, 31])
def test_security_11_a_second_use_of_a_code_revokes_all_that_came_from_it(
    browser: Browser, program: Program, clock: FakeClock, seconds: int
) -> None:
    code = browser.get_code()
    tokens = program.redeem(code).json
    last = program.feed()["last"]
    clock.advance(seconds=seconds)
    assert program.redeem(code).json["error"] == "invalid_grant"
    assert userinfo(program, tokens["access_token"]) == 401
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    grant_id = browser.claims(tokens["access_token"])["grant_id"]
    assert program.feed(last)["events"] == [
        {"n": last + 1, "kind": "grant-revoked", "grant_id": grant_id}
    ]


def test_security_12_a_code_is_bound_to_its_client_and_address(
    browser: Browser, program: Program
) -> None:
    code = browser.get_code()
    for other in ("fisheries", "operator"):
        refused = program.redeem(code, client=other)
        assert refused.json["error"] in ("invalid_grant", "unauthorized_client")
    assert program.redeem(code).status_code == 200  # the other clients' tries changed nothing
    elsewhere = program.redeem(browser.get_code(), redirect_uri=REDIRECT_URI + "/")
    assert elsewhere.json["error"] == "invalid_grant"
    absent = program.redeem(browser.get_code(), redirect_uri=None)
    assert absent.json["error"] == "invalid_grant"


def test_security_13_a_refresh_token_works_once_and_its_successor_goes_on(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    first = program.redeem(browser.get_code()).json["refresh_token"]
    second = program.refresh(first, resource="urn:atoll:notify")
    assert second.status_code == 200
    assert second.json["scope"] == "notify.inbox"
    assert browser.claims(second.json["access_token"])["aud"] == "urn:atoll:notify"
    third = program.refresh(second.json["refresh_token"], resource="urn:atoll:gateway")
    assert third.json["scope"] == "exchanges.own"


def test_security_13_a_lost_answer_can_be_asked_for_again(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    first = program.redeem(browser.get_code()).json["refresh_token"]
    lost = program.refresh(first).json["refresh_token"]
    clock.advance(seconds=29)
    again = program.refresh(first)
    assert again.json["refresh_token"] == lost
    assert program.refresh(lost).status_code == 200


@pytest.mark.parametrize(("seconds", "successor_used"), [(30, False), (1, True)])
def test_security_13_reuse_kills_the_family(
    browser: Browser,
    program: Program,
    clock: FakeClock,
    seconds: int,
    successor_used: bool,
) -> None:
    tokens = program.redeem(browser.get_code()).json
    first = tokens["refresh_token"]
    living = program.refresh(first).json["refresh_token"]
    if successor_used:
        living = program.refresh(living).json["refresh_token"]
    clock.advance(seconds=seconds)
    assert program.refresh(first).json["error"] == "invalid_grant"
    assert program.refresh(living).json["error"] == "invalid_grant"
    assert userinfo(program, tokens["access_token"]) == 401
    assert program.feed()["events"][-1]["kind"] == "grant-revoked"


def test_security_13_a_refresh_cannot_grow_and_a_wrong_one_takes_nothing(
    browser: Browser, program: Program
) -> None:
    browser.sign_in()
    code = browser.get_code(scope="openid notify.inbox")
    token = program.redeem(code).json["refresh_token"]
    assert program.refresh(token, scope="openid profile").json["error"] == "invalid_scope"
    assert program.refresh(token, resource="urn:x").json["error"] == "invalid_target"
    assert program.refresh(token, resource="urn:atoll:gateway").json["error"] == "invalid_scope"
    assert program.refresh(token, client="fisheries").status_code == 400
    narrow = program.refresh(token, scope="openid")
    assert narrow.json["scope"] == "openid"


def test_security_13_a_refresh_ends_with_the_grant(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    token = program.redeem(browser.get_code()).json["refresh_token"]
    clock.advance(hours=8)
    assert program.refresh(token).json["error"] == "invalid_grant"


def test_resources_named_at_sign_in_bound_the_tokens(browser: Browser, program: Program) -> None:
    code = browser.get_code(resource="urn:atoll:notify")
    tokens = program.redeem(code, resource="urn:atoll:notify").json
    assert tokens["scope"] == "notify.inbox"
    refused = program.refresh(tokens["refresh_token"], resource="urn:atoll:gateway")
    assert refused.json["error"] == "invalid_target"


@pytest.mark.parametrize(
    ("path", "form", "headers"),
    [
        ("/identity/token", {"grant_type": "password", "username": "a", "password": "b"}, {}),
        ("/identity/token", {"grant_type": "implicit"}, {}),
        ("/identity/token", {"grant_type": 'x"\\'}, {}),
        ("/identity/token", {}, {}),
        ("/identity/token?grant_type=client_credentials", {"resource": "urn:atoll:registers"}, {}),
        ("/identity/token?x=1", {"grant_type": "client_credentials"}, {}),
        ("/identity/token", {"grant_type": "client_credentials"}, {}),  # no resource
        ("/identity/token", {"grant_type": ["client_credentials"] * 2}, {}),
        (
            "/identity/token",
            {"grant_type": "client_credentials", "client_secret": "fisheries-secret"},
            {},
        ),
        (
            "/identity/token",
            {"grant_type": "client_credentials", "client_id": "portal"},
            {},
        ),
        ("/identity/token", {"grant_type": "authorization_code"}, {}),
        ("/identity/token", {"grant_type": "refresh_token"}, {}),
        ("/identity/token", {"grant_type": "client_credentials", "scope": "\0"}, {}),
        ("/identity/token", {"grant_type": "client_credentials", "scope": "ދިވެހި"}, {}),
    ],
)
def test_security_14_other_ways_to_ask_are_refused(
    program: Program, path: str, form: dict[str, Any], headers: dict[str, str]
) -> None:
    refused = program.call("POST", path, data=form, headers=basic("fisheries") | headers)
    assert refused.status_code == 400, refused.text
    assert refused.json["error"] in (
        "unsupported_grant_type",
        "invalid_request",
        "unauthorized_client",
        "invalid_target",
    )


def test_security_14_a_token_is_asked_for_by_a_form_that_is_posted(program: Program) -> None:
    assert program.call("GET", "/identity/token").status_code == 405
    as_json = program.call(
        "POST",
        "/identity/token",
        json={"grant_type": "client_credentials", "resource": "urn:atoll:registers"},
        headers=basic("fisheries"),
    )
    assert as_json.status_code == 400
    assert as_json.json["error"] == "invalid_request"


@pytest.mark.parametrize(
    "header",
    [
        "Basic " + base64.b64encode(b"\xff\xfe:\x80").decode(),
        "Basic !!!",
        "Basic",
        "Basic " + base64.b64encode(b"fisheries").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"fisheries:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:wrong").decode(),
        "Basic " + base64.b64encode(b"a\x00b:%00").decode(),
        "Basic " + base64.b64encode(("x" * 5000 + ":y").encode()).decode(),
        "Bearer abc",
        "",
    ],
)
def test_security_16_unknown_clients_and_wrong_secrets_get_one_and_the_same_answer(
    program: Program, header: str
) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    refused = program.call("POST", "/identity/token", data=form, headers={"Authorization": header})
    wrong = program.call("POST", "/identity/token", data=form, headers=basic("fisheries", "wrong"))
    assert refused.status_code == wrong.status_code == 401
    assert refused.data == wrong.data
    assert refused.json["error"] == "invalid_client"
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    assert "Atoll-Caller" not in refused.headers


def test_security_17_a_programs_token_never_passes_as_a_person(program: Program) -> None:
    token = program.own_token("fisheries", "identity")
    assert program.call("GET", "/identity/userinfo", headers=token).status_code == 403
    refused = program.token(
        "fisheries", grant_type="client_credentials", resource="urn:atoll:identity", scope="openid"
    )
    assert refused.json["error"] == "invalid_scope"


def test_security_17_a_forged_person_scope_in_a_programs_token_is_refused(
    app: Flask, program: Program, clock: FakeClock
) -> None:
    now = int(clock.now().timestamp())
    claims = {"iss": "http://localhost:8000/identity", "sub": "fisheries", "client_id": "fisheries"}
    claims |= {"aud": "urn:atoll:identity", "scope": "openid profile", "jti": "1"}
    token = app.extensions["identity"].keys.sign(claims | {"iat": now, "exp": now + 60}, "at+jwt")
    assert userinfo(program, token) == 403


def test_security_18_an_access_token_has_one_audience_and_the_claims_of_the_wire(
    browser: Browser, program: Program, start_state: dict, app: Flask
) -> None:
    tokens = program.redeem(browser.get_code()).json
    header = jwt.get_unverified_header(tokens["access_token"])
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    claims = browser.claims(tokens["access_token"])
    assert claims["aud"] == "urn:atoll:identity"
    assert claims["sub"] == start_state["people"]["aishath"]["sub"]
    assert claims["exp"] - claims["iat"] == 900
    of_every_token = {"iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp", "roles"}
    assert set(claims) == of_every_token | {"auth_time", "acr", "grant_id"}
    own = program.own_token("fisheries", "registers")["Authorization"].removeprefix("Bearer ")
    machine = browser.claims(own)
    assert set(machine) == of_every_token
    assert machine["sub"] == machine["client_id"] == "fisheries"
    kept = ("fishing-vessel", "vessel-owner", "landing-site")
    assert machine["roles"] == [f"registers:custodian:{register}" for register in kept]
    assert machine["scope"] == "registers.read registers.append registers.personal"
    verifier = Verifier(
        KeySource(app.extensions["identity"].keys.jwks),
        "http://localhost:8000/identity",
        now=lambda: browser.clock.now().timestamp(),
    )
    assert verifier.verify(own, "urn:atoll:registers").client_id == "fisheries"
    with pytest.raises(Unauthenticated, match="another service"):
        verifier.verify(own, "urn:atoll:notify")


def test_security_18_id_tokens_and_access_tokens_are_not_mistaken(
    browser: Browser, program: Program
) -> None:
    tokens = program.redeem(browser.get_code()).json
    assert userinfo(program, tokens["access_token"]) == 200
    assert userinfo(program, tokens["id_token"]) == 401
    other = program.refresh(tokens["refresh_token"], resource="urn:atoll:notify").json
    assert userinfo(program, other["access_token"]) == 401
    hint = browser.get(f"/identity/sign-out?id_token_hint={tokens['access_token']}")
    assert hint.status_code == 200  # it asks: the hint is not an ID token


def test_the_id_token_speaks_of_a_subject_that_only_this_client_knows(
    browser: Browser, program: Program, start_state: dict
) -> None:
    tokens = program.redeem(browser.get_code()).json
    claims = browser.claims(tokens["id_token"])
    assert claims["sub"] != start_state["people"]["aishath"]["sub"]
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert jwt.get_unverified_header(tokens["id_token"])["typ"] == "JWT"
    again = browser.claims(program.redeem(browser.get_code()).json["id_token"])
    assert again["sub"] == claims["sub"]


def test_a_scope_without_openid_gives_no_id_token(browser: Browser, program: Program) -> None:
    browser.sign_in()
    tokens = program.redeem(browser.get_code(scope="notify.inbox"), resource="urn:atoll:notify")
    assert "id_token" not in tokens.json
    assert tokens.headers["Cache-Control"] == "no-store"
