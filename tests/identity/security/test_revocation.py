"""Tokens that end before their time: revocation, introspection; statements 13, 17 and 18."""

import base64
import hashlib
from typing import Any

import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.domain.digests import fingerprint
from services.identity.protocol.sign_outs import logout_token
from services.identity.storage import grants
from services.identity.storage.protocol_tables import LogoutDelivery
from services.identity.storage.tables import Client
from tests.identity.callers import Browser, Program, basic
from tests.identity.clients import add_client
from tests.support.clock import FakeClock


def revoke(program: Program, token: str, client: str = "portal", **form: str) -> TestResponse:
    form = {"token": token} | form
    return program.call("POST", "/identity/revoke", data=form, headers=basic(client))


def introspect(program: Program, token: str, client: str = "portal") -> dict[str, Any]:
    answer = program.call(
        "POST", "/identity/introspect", data={"token": token}, headers=basic(client)
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json)


def userinfo(program: Program, token: str) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    return program.call("GET", "/identity/userinfo", headers=bearer).status_code


def test_a_revoked_access_token_is_worth_nothing_and_the_gateway_hears_of_it(
    browser: Browser, program: Program
) -> None:
    tokens = program.redeem(browser.get_code()).json
    claims = browser.claims(tokens["access_token"])
    for hint in ("access_token", "refresh_token", "nonsense"):  # a hint only (section 2.1)
        done = revoke(program, tokens["access_token"], token_type_hint=hint)
        assert (done.status_code, done.data) == (200, b"")
    assert userinfo(program, tokens["access_token"]) == 401
    assert introspect(program, tokens["access_token"]) == {"active": False}
    events = [e for e in program.feed()["events"] if e["kind"] == "token-revoked"]
    assert [event["jti"] for event in events] == [claims["jti"]]
    assert events[0]["expires_at"].endswith("Z")
    # the sign-in goes on
    assert program.refresh(tokens["refresh_token"]).status_code == 200


def test_a_revoked_refresh_token_takes_its_whole_family(browser: Browser, program: Program) -> None:
    tokens = program.redeem(browser.get_code()).json
    second = program.refresh(tokens["refresh_token"]).json
    assert revoke(program, tokens["refresh_token"]).status_code == 200
    assert program.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    assert userinfo(program, tokens["access_token"]) == 401
    assert userinfo(program, second["access_token"]) == 401
    assert program.feed()["events"][-1]["kind"] == "grant-revoked"


def test_another_clients_try_to_revoke_changes_nothing(browser: Browser, program: Program) -> None:
    tokens = program.redeem(browser.get_code()).json
    last = program.feed()["last"]
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert revoke(program, token, client="fisheries").status_code == 200
    assert userinfo(program, tokens["access_token"]) == 200
    assert program.refresh(tokens["refresh_token"]).status_code == 200
    assert program.feed()["last"] == last


@pytest.mark.parametrize("text", ["x", "a.b.c", "x" * 5000, "..", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_revoked_and_introspected_without_a_fault(
    program: Program, text: str
) -> None:
    assert revoke(program, text).status_code == 200
    assert introspect(program, text) == {"active": False}


@pytest.mark.parametrize("path", ["/identity/revoke", "/identity/introspect"])
def test_security_14_the_forms_of_clients_are_read_strictly(program: Program, path: str) -> None:
    def status(**options: Any) -> int:
        return program.call("POST", path, **options).status_code

    good = basic("portal")
    assert status(data={"token": "x"}, headers=good) == 200
    assert status(data={}, headers=good) == 400
    assert status(data={"token": ["x", "y"]}, headers=good) == 400
    assert status(json={"token": "x"}, headers=good) == 400
    assert program.call("POST", f"{path}?token=x", data={}, headers=good).status_code == 400
    assert status(data={"token": "x"}) == 401
    assert status(data={"token": "x"}, headers=basic("portal", "wrong")) == 401
    assert program.call("GET", path, headers=good).status_code == 405


def test_introspection_says_what_the_token_says(browser: Browser, program: Program) -> None:
    tokens = program.redeem(browser.get_code()).json
    claims = browser.claims(tokens["access_token"])
    said = introspect(program, tokens["access_token"], client="fisheries")
    assert said["active"] is True
    assert said["token_type"] == "Bearer"
    for name in ("sub", "aud", "iss", "scope", "client_id", "exp", "iat", "jti", "acr"):
        assert said[name] == claims[name]
    assert "roles" not in said
    refresh = introspect(program, tokens["refresh_token"])
    assert refresh["active"] is True
    assert set(refresh) == {"active", "client_id", "scope", "exp"}
    assert introspect(program, tokens["refresh_token"], client="fisheries") == {"active": False}


def test_introspection_sees_every_end(
    app: Flask, browser: Browser, program: Program, clock: FakeClock
) -> None:
    own = program.own_token("fisheries", "registers")["Authorization"].split()[1]
    assert introspect(program, own)["active"] is True
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "fisheries").status = "disabled"
    assert introspect(program, own) == {"active": False}
    tokens = program.redeem(browser.get_code()).json
    assert introspect(program, tokens["id_token"]) == {"active": False}
    used = tokens["refresh_token"]
    program.refresh(used)
    assert introspect(program, used) == {"active": False}
    clock.advance(seconds=906)
    assert introspect(program, tokens["access_token"]) == {"active": False}


def test_security_13_everything_of_a_person_can_be_ended_at_once(
    app: Flask, browser: Browser, program: Program, start_state: dict
) -> None:
    """What a changed password, passkey or consent calls."""
    add_client(app, "other")
    browser.sign_in()
    tokens = program.redeem(browser.get_code()).json
    sub = start_state["people"]["aishath"]["sub"]
    database, now = app.extensions["identity"].database, browser.clock.now()
    with database.transaction() as session:
        grants.revoke_of_person(session, sub, now, client_id="other")
    assert userinfo(program, tokens["access_token"]) == 200
    with database.transaction() as session:
        grants.revoke_of_person(session, sub, now)
    assert userinfo(program, tokens["access_token"]) == 401
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_security_17_no_client_can_bear_a_persons_subject(
    app: Flask, program: Program, start_state: dict
) -> None:
    sub = start_state["people"]["aishath"]["sub"]
    with app.extensions["identity"].database.transaction() as session:
        session.add(
            Client(
                client_id=sub,
                name={"en": "x"},
                secret_hash=fingerprint("secret"),
                grant_types=["client_credentials"],
                scopes=["registers.read"],
            )
        )
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    answer = program.call("POST", "/identity/token", data=form, headers=basic(sub, "secret"))
    assert answer.status_code == 401


def test_security_18_a_logout_token_is_no_other_token(
    app: Flask, browser: Browser, program: Program, start_state: dict
) -> None:
    parts = app.extensions["identity"]
    with parts.database.snapshot() as session:
        client = session.get_one(Client, "portal")
    sub = start_state["people"]["aishath"]["sub"]
    text = logout_token(parts, client, LogoutDelivery(sub=sub, sid="s" * 43))
    assert jwt.get_unverified_header(text)["typ"] == "logout+jwt"
    assert userinfo(program, text) == 401
    assert introspect(program, text) == {"active": False}
    browser.sign_in()
    page = browser.get(f"/identity/sign-out?id_token_hint={text}")
    assert page.status_code == 200  # it asks first: this is no ID token


def test_the_id_token_belongs_to_its_access_token_and_sign_in(
    browser: Browser, program: Program
) -> None:
    tokens = program.redeem(browser.get_code()).json
    claims = browser.claims(tokens["id_token"])
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    again = browser.claims(program.redeem(browser.get_code()).json["id_token"])
    assert claims["sid"] == again["sid"]  # one sign-in
    assert len(claims["sid"]) == 43


def test_a_scope_for_one_service_names_the_resource(program: Program) -> None:
    own = program.token("fisheries", grant_type="client_credentials", scope="registers.read")
    assert own.status_code == 200
    claims = jwt.decode(own.json["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "urn:atoll:registers"
    unclear = program.token(
        "fisheries", grant_type="client_credentials", scope="registers.read identity.contact"
    )
    assert unclear.json["error"] == "invalid_target"
