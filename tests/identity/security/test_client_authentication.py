"""Clients prove who they are: statements 14, 15 and 16 of the identity profile."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from services.identity.app import create_app
from services.identity.protocol import assertions
from services.identity.protocol.client_keys import ClientKeys
from services.identity.settings import Settings
from services.identity.storage.tables import Client
from tests.identity.callers import Browser, Program, basic, query_of
from tests.identity.clients import CALLBACK, ISSUER, Signer, add_client, redeem
from tests.identity.test_races import race
from tests.support.clock import FakeClock

OWN = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}


@pytest.fixture
def signer(app: Flask, program: Program, clock: FakeClock) -> Signer:
    return Signer(app, program, clock, "signer")


def refused(answer: TestResponse) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.json["error"] == "invalid_client"
    assert "Atoll-Caller" not in answer.headers


def test_security_15_a_good_assertion_is_taken_once(signer: Signer) -> None:
    text = signer.assertion()
    taken = signer.ask(text)
    assert taken.status_code == 200
    assert taken.headers["Atoll-Caller"] == "signer"
    refused(signer.ask(text))


@pytest.mark.parametrize(
    "aud",
    [f"{ISSUER}/token", [ISSUER], [ISSUER, f"{ISSUER}/token"], "http://localhost:8000/identity"],
)
def test_security_15_an_assertion_may_name_the_issuer_or_the_endpoint(
    signer: Signer, aud: Any
) -> None:
    assert signer.ask(signer.assertion(aud=aud)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"aud": {"a": 1}},
        {"exp": 0},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 2**60},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
        {"iss": "portal"},
        {"sub": "portal"},
        {"sub": None},
        {"iss": None},
        {"iss": 7},
        {"nbf": 2**40},
        {"iat": 2**40},
    ],
)
def test_security_15_an_assertion_that_says_something_wrong_is_refused(
    signer: Signer, changes: dict[str, Any]
) -> None:
    if isinstance(changes.get("iss"), int):
        text = signer.assertion()
        header, _, signature = text.split(".")
        claims = json.dumps(signer.claims() | changes).encode()
        text = f"{header}.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{signature}"
    else:
        text = signer.assertion(**changes)
    refused(signer.ask(text))


@pytest.mark.parametrize(("ahead", "status"), [(305, 200), (306, 401), (-4, 200), (-5, 401)])
def test_security_15_an_assertion_lives_five_minutes_at_most(
    signer: Signer, ahead: int, status: int
) -> None:
    exp = int(signer.clock.now().timestamp()) + ahead
    assert signer.ask(signer.assertion(exp=exp)).status_code == status


def test_security_15_an_assertion_signed_by_another_key_is_refused(
    app: Flask, program: Program, clock: FakeClock, signer: Signer
) -> None:
    other = Signer(app, program, clock, "other")
    refused(signer.ask(signer.assertion(key=other.key)))
    refused(signer.ask(signer.assertion(key=ec.generate_private_key(ec.SECP256R1()))))
    refused(signer.ask(other.assertion(iss="signer", sub="signer")))
    refused(signer.ask(signer.assertion(headers={"kid": "two"})))
    refused(signer.ask(signer.assertion(), client_id="other"))


@pytest.mark.parametrize(
    "header",
    [{"jwk": {"kty": "EC"}}, {"jku": "https://evil.example"}, {"crit": ["x"]}, {"typ": "at+jwt"}],
)
def test_security_15_a_header_that_leads_elsewhere_is_refused(
    signer: Signer, header: dict[str, Any]
) -> None:
    refused(signer.ask(signer.assertion(headers=header)))


def test_security_15_alg_none_and_hs256_are_refused(signer: Signer) -> None:
    def encode(part: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    body = encode(signer.claims())
    for header in ({"alg": "none"}, {"alg": "none", "kid": "one"}, {"alg": "HS256", "kid": "one"}):
        signed = f"{encode(header)}.{body}"
        secrets = (json.dumps(signer.jwks["keys"][0]).encode(), b"", b"signer-secret")
        for secret in secrets:
            digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            refused(signer.ask(f"{signed}.{signature}"))
        refused(signer.ask(f"{signed}."))
    for text in ("", "x", "a.b.c", "ޝ", "x" * 9000, signer.assertion() + "=="):
        answer = signer.ask(text)
        assert answer.status_code in (400, 401)
    refused(signer.ask(signer.assertion(), client_assertion_type="other"))


def test_security_15_a_replay_is_refused_across_processes(
    signer: Signer, settings: Settings, clock: FakeClock
) -> None:
    elsewhere = Program(create_app(settings, clock=clock))
    text = signer.assertion()
    assert signer.ask(text).status_code == 200
    form = OWN | {"client_assertion_type": assertions.TYPE, "client_assertion": text}
    refused(elsewhere.call("POST", "/identity/token", data=form))
    elsewhere.app.extensions["identity"].database.dispose()


def test_security_15_eight_uses_of_an_assertion_give_one_token(
    app_on_each: Flask, clock: FakeClock
) -> None:
    signer = Signer(app_on_each, Program(app_on_each), clock, "signer")
    text = signer.assertion()
    answers = race(lambda: signer.ask(text).status_code)
    assert sorted(answers) == [200] + [401] * 7


def test_security_15_an_assertion_is_spent_even_when_the_request_is_refused(
    signer: Signer,
) -> None:
    text = signer.assertion()
    assert signer.ask(text, scope="platform.operate").status_code == 400
    refused(signer.ask(text))


def test_security_15_rs256_is_for_standard_clients_and_not_for_fapi2(
    app: Flask, signer: Signer
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "signer").jwks = {"keys": [{**public, "kid": "one"}]}
    rs256, ps256 = (jwt.encode(signer.claims(), key, alg) for alg in ("RS256", "PS256"))
    assert signer.ask(rs256).status_code == 200
    assert signer.ask(ps256).status_code == 200
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "signer").profile = "fapi2"
    refused(signer.ask(jwt.encode(signer.claims(), key, "RS256")))


def test_security_15_a_key_set_at_the_clients_own_address_is_fetched_and_kept(
    app: Flask, signer: Signer
) -> None:
    fetched: list[str] = []
    now = [0.0]

    def fetch(address: str) -> Any:
        fetched.append(address)
        return signer.jwks

    keys = ClientKeys(fetch, monotonic=lambda: now[0])
    client = Client(client_id="x", name={}, grant_types=[], jwks_uri="https://service.example/jwks")
    for _ in range(20):
        assert len(keys.of(client, "one")) == 1
        assert keys.of(client, "unknown") == []
    assert len(fetched) == 1
    now[0] = 31.0
    assert keys.of(client, "unknown") == []
    assert keys.of(client, "unknown") == []
    assert len(fetched) == 2


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": 1},
        {"keys": [1]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}]},
    ],
)
def test_security_15_a_key_set_without_a_usable_key_gives_none(document: Any) -> None:
    client = Client(client_id="x", name={}, grant_types=[], jwks_uri="https://service.example")
    assert ClientKeys(lambda address: document).of(client, "one") == []


@pytest.mark.parametrize("second", ["secret", "assertion"])
def test_security_14_two_ways_at_once_are_refused(
    signer: Signer, program: Program, second: str
) -> None:
    more = {
        "secret": {"client_id": "fisheries", "client_secret": "fisheries-secret"},
        "assertion": {
            "client_assertion_type": assertions.TYPE,
            "client_assertion": signer.assertion(),
        },
    }[second]
    answer = program.call("POST", "/identity/token", data=OWN | more, headers=basic("fisheries"))
    assert answer.status_code == 400
    assert answer.json["error"] == "invalid_request"
    both = {
        "client_id": "signer",
        "client_secret": "x",
        "client_assertion_type": assertions.TYPE,
        "client_assertion": signer.assertion(),
    }
    assert program.call("POST", "/identity/token", data=OWN | both).status_code == 400


def test_security_14_a_client_uses_its_own_way_and_no_other(
    app: Flask, program: Program, signer: Signer
) -> None:
    add_client(app, "poster", auth_method="client_secret_post")
    good = OWN | {"client_id": "poster", "client_secret": "poster-secret"}
    assert program.call("POST", "/identity/token", data=good).status_code == 200
    refused(program.token("poster", **OWN))
    refused(program.call("POST", "/identity/token", data=good | {"client_secret": "wrong"}))
    refused(
        program.call(
            "POST",
            "/identity/token",
            data=OWN | {"client_id": "fisheries", "client_secret": "fisheries-secret"},
        )
    )
    refused(program.call("POST", "/identity/token", data=OWN | {"client_id": "fisheries"}))
    refused(program.token("signer", **OWN))
    refused(program.call("POST", "/identity/token", data=OWN))


def test_security_16_an_unknown_client_costs_what_a_wrong_secret_costs(
    app: Flask, program: Program
) -> None:
    """Not measured with a watch: both ask the database once, and compare one digest."""
    engine = app.extensions["identity"].database.engine
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    counts = {}
    for client in ("fisheries", "nobody", "also-nobody"):
        program.token("portal", **OWN)  # the keys are read
        event.listen(engine, "before_cursor_execute", note)
        refused(program.call("POST", "/identity/token", data=OWN, headers=basic(client, "wrong")))
        event.remove(engine, "before_cursor_execute", note)
        counts[client] = len(asked)
        asked.clear()
    assert len(set(counts.values())) == 1


def test_security_16_a_client_without_secret_has_none_that_can_be_guessed(
    app: Flask, program: Program
) -> None:
    add_client(app, "odd", auth_method="client_secret_post", secret_hash=None)
    for secret in ("x", "None", "odd-secret"):
        form = OWN | {"client_id": "odd", "client_secret": secret}
        refused(program.call("POST", "/identity/token", data=form))
    header = "Basic " + base64.b64encode(b"signer:").decode()
    refused(program.call("POST", "/identity/token", data=OWN, headers={"Authorization": header}))


def test_a_public_client_signs_in_by_pkce_and_its_refresh_tokens_rotate(
    app: Flask, browser: Browser, program: Program
) -> None:
    add_client(app, "app", auth_method="none", secret_hash=None)
    browser.sign_in()
    asked = {"client_id": "app", "redirect_uri": CALLBACK, "scope": "openid"}
    code = query_of(browser.authorize(**asked))["code"]
    first = redeem(program, "app", code).json
    again = {"grant_type": "refresh_token", "client_id": "app"}
    second = program.call(
        "POST", "/identity/token", data=again | {"refresh_token": first["refresh_token"]}
    ).json
    assert second["refresh_token"] != first["refresh_token"]
    browser.clock.advance(seconds=31)
    reused = program.call(
        "POST", "/identity/token", data=again | {"refresh_token": first["refresh_token"]}
    )
    assert reused.json["error"] == "invalid_grant"
    dead = program.call(
        "POST", "/identity/token", data=again | {"refresh_token": second["refresh_token"]}
    )
    assert dead.json["error"] == "invalid_grant"


def test_a_public_client_cannot_act_for_itself_or_ask_about_tokens(
    app: Flask, program: Program
) -> None:
    add_client(app, "app", auth_method="none", secret_hash=None)
    form = OWN | {"client_id": "app"}
    assert program.call("POST", "/identity/token", data=form).status_code == 400
    refused(program.call("POST", "/identity/token", data=form | {"client_secret": "app-secret"}))
    asked = program.call("POST", "/identity/introspect", data={"client_id": "app", "token": "x"})
    assert asked.status_code == 401


@pytest.mark.parametrize("status", ["pending", "disabled"])
def test_a_client_that_is_not_approved_can_do_nothing(
    app: Flask, program: Program, browser: Browser, status: str
) -> None:
    add_client(app, "new", status=status)
    refused(program.token("new", **OWN))
    page = browser.authorize(client_id="new", redirect_uri=CALLBACK)
    assert page.status_code == 400
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "new").status = "sandbox"
    assert program.token("new", **OWN).status_code == 200


def test_a_client_is_remembered_for_seconds_and_forgotten_when_told(
    settings: Settings, app: Flask, clock: FakeClock
) -> None:
    database = app.extensions["identity"].database
    other = create_app(replace(settings, client_cache_s=5), database=database, clock=clock)
    program = Program(other)
    assert program.token("fisheries", **OWN).status_code == 200
    with database.transaction() as session:
        session.get_one(Client, "fisheries").status = "disabled"
    assert program.token("fisheries", **OWN).status_code == 200
    other.extensions["identity"].clients.forget()
    refused(program.token("fisheries", **OWN))
