"""Faults on purpose: what each does to tokens, and that live programs never meet one."""

import json
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import update

from servicekit.problems import Unauthenticated
from servicekit.tokens import KeySource, Verifier
from services.identity import teaching
from services.identity.domain.scopes import SCOPES
from services.identity.storage.tables import Client
from tests.identity.callers import Browser, Program, basic, query_of
from tests.support.clock import FakeClock

CALLBACK = "https://learner.example/back"
METADATA = {
    "client_name": "Learner",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "client_credentials"],
    "scope": "openid profile registers.read",
}


@pytest.fixture
def operator(program: Program) -> dict[str, str]:
    return program.own_token("operator", "identity", "identity.clients")


@pytest.fixture
def learner(program: Program, operator: dict[str, str]) -> dict[str, Any]:
    answer = program.call("POST", "/identity/clients", json=METADATA, headers=operator)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


@pytest.fixture
def pauses(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(app.extensions["identity"].teaching, "pause", found.append)
    return found


def inject(program: Program, learner: dict[str, Any], operator: Any, **faults: Any) -> Any:
    path = f"/identity/clients/{learner['client_id']}/faults"
    return program.call("PUT", path, json=faults, headers=operator)


def own(program: Program, learner: dict[str, Any]) -> dict[str, Any]:
    answer = program.call(
        "POST",
        "/identity/token",
        data={"grant_type": "client_credentials", "resource": "urn:atoll:registers"},
        headers=basic(learner["client_id"], learner["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def verify(program: Program, clock: FakeClock, token: str) -> Any:
    keys = KeySource(lambda: program.call("GET", "/identity/jwks").json)
    verifier = Verifier(keys, "http://localhost:8000/identity", now=lambda: clock.now().timestamp())
    return verifier.verify(token, "urn:atoll:registers")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired_token", "has expired"),
        ("wrong_audience", "for another service"),
        ("invalid_signature", "signature or content is not valid"),
    ],
)
def test_a_service_refuses_what_was_spoiled(
    program: Program,
    learner: dict[str, Any],
    operator: dict[str, str],
    clock: FakeClock,
    fault: str,
    words: str,
) -> None:
    assert verify(program, clock, own(program, learner)["access_token"])
    assert inject(program, learner, operator, **{fault: True}).json["faults"] == {fault: True}
    spoiled = own(program, learner)
    assert spoiled["injected_faults"] == [fault]
    with pytest.raises(Unauthenticated, match=words):
        verify(program, clock, spoiled["access_token"])
    assert inject(program, learner, operator).json["faults"] == {}
    mended = own(program, learner)
    assert "injected_faults" not in mended
    assert verify(program, clock, mended["access_token"])


def test_an_id_token_is_spoiled_too(
    app: Flask,
    program: Program,
    learner: dict[str, Any],
    operator: dict[str, str],
    browser: Browser,
) -> None:
    inject(program, learner, operator, wrong_audience=True)
    with app.extensions["identity"].database.transaction() as session:
        session.execute(update(Client).values(first_party=True))  # nobody is asked anything
    code = browser.get_code(client_id=learner["client_id"], redirect_uri=CALLBACK, scope="openid")
    answer = program.call(
        "POST",
        "/identity/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": "v" * 64,
        },
        headers=basic(learner["client_id"], learner["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    claims = jwt.decode(answer.json["id_token"], options={"verify_signature": False})
    assert claims["aud"] == teaching.NOWHERE


def test_a_denied_consent_comes_back_as_one(
    program: Program, learner: dict[str, Any], operator: dict[str, str], browser: Browser
) -> None:
    browser.sign_in()
    inject(program, learner, operator, denied_consent=True)
    page = browser.authorize(
        client_id=learner["client_id"], redirect_uri=CALLBACK, scope="openid", state="s"
    )
    assert page.status_code == 303, page.text
    answer = query_of(page)
    assert answer["error"] == "access_denied"
    assert answer["state"] == "s"
    assert answer["iss"] == "http://localhost:8000/identity"


def test_a_slow_token_waits_and_only_two_wait_at_a_time(
    app: Flask,
    program: Program,
    learner: dict[str, Any],
    operator: dict[str, str],
    pauses: list[float],
) -> None:
    inject(program, learner, operator, slow_token_ms=1500)
    own(program, learner)
    assert pauses == [1.5]
    waiting = app.extensions["identity"].teaching._waiting
    for _ in range(teaching.MOST_WAITING):
        assert waiting.acquire(blocking=False)
    try:
        own(program, learner)
    finally:
        waiting.release(teaching.MOST_WAITING)
    assert pauses == [1.5]


@pytest.mark.parametrize(
    "faults", [{"slow_token_ms": 60_000}, {"slow_token_ms": -1}, {"explode": True}, {"a": 1}, []]
)
def test_faults_that_there_are_not_are_refused(
    program: Program, learner: dict[str, Any], operator: dict[str, str], faults: Any
) -> None:
    path = f"/identity/clients/{learner['client_id']}/faults"
    assert program.call("PUT", path, json=faults, headers=operator).status_code == 422


def test_a_live_program_meets_no_fault_even_if_one_was_smuggled_in(
    app: Flask,
    program: Program,
    learner: dict[str, Any],
    operator: dict[str, str],
    clock: FakeClock,
) -> None:
    inject(program, learner, operator, expired_token=True, invalid_signature=True)
    path = f"/identity/clients/{learner['client_id']}"
    why = {"why": "We are ready"}
    assert program.call("POST", f"{path}/live", json=why, headers=operator).status_code == 202
    decision = {"decision": "approve", "reason": "seen", "by": "hassan"}
    live = program.call("POST", f"{path}/decision", json=decision, headers=operator).json
    assert (live["status"], live["faults"]) == ("live", {})
    assert inject(program, learner, operator, expired_token=True).status_code == 409
    with app.extensions["identity"].database.transaction() as session:
        session.execute(  # around the mapper, as a hand in the database would
            update(Client)
            .where(Client.client_id == learner["client_id"])
            .values(faults={"expired_token": True, "invalid_signature": True})
        )
    answer = own(program, learner)
    assert "injected_faults" not in answer
    assert verify(program, clock, answer["access_token"])


def test_keys_are_slow_when_the_instructor_wants_it(
    app: Flask, program: Program, pauses: list[float]
) -> None:
    headers = program.own_token("operator", "identity", "platform.operate")
    path = "/identity/operate/slow-keys"
    app.extensions["identity"].teaching.forget()
    program.call("GET", "/identity/jwks")
    assert pauses == []
    slow = program.call("PUT", path, json={"milliseconds": 2500}, headers=headers)
    assert slow.json == {"milliseconds": 2500}
    program.call("GET", "/identity/jwks")
    assert pauses == [2.5]
    assert program.call("GET", path, headers=headers).json == {"milliseconds": 2500}
    assert program.call("PUT", path, json={"milliseconds": 0}, headers=headers).status_code == 200
    program.call("GET", "/identity/jwks")
    assert pauses == [2.5]
    for body in ({}, {"milliseconds": 10**6}, {"milliseconds": "1"}, []):
        assert program.call("PUT", path, json=body, headers=headers).status_code == 422


def test_keys_are_never_slow_outside_a_demonstration(https_app: Flask) -> None:
    program = Program(https_app)
    headers = program.own_token("operator", "identity", "platform.operate")
    answer = program.call(
        "PUT", "/identity/operate/slow-keys", json={"milliseconds": 5}, headers=headers
    )
    assert answer.status_code == 404


def test_the_catalogue_explains_every_scope_in_both_languages(program: Program) -> None:
    answer = program.call("GET", "/identity/scopes")
    found = {one["scope"]: one for one in answer.json["scopes"]}
    assert set(found) == set(SCOPES)
    for name, one in found.items():
        assert set(one["description"]) == {"en", "dv"}, name
        assert one["given"] in ("at once", "approved", "platform"), name
    assert found["registers.read"]["given"] == "at once"
    assert found["platform.operate"]["given"] == "platform"
    assert json.dumps(found, ensure_ascii=False).isascii() is False
