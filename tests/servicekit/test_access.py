"""Who may call a view: bound tokens, and sign-ins strong and recent enough (RFC 9470)."""

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from servicekit import access
from servicekit.app import new_app
from servicekit.settings import ServiceSettings
from tests.conftest import GATEWAY_KEY
from tests.support.issuer import FakeIssuer, ProofKey

KEY = ProofKey()


@pytest.fixture
def caller(issuer: FakeIssuer, tmp_path: Path) -> FlaskClient:
    settings = ServiceSettings(database_url="sqlite://", gateway_key=GATEWAY_KEY)
    app: Flask = new_app("demo", settings, folder=tmp_path, verifier=issuer.verifier())

    @app.get("/demo/careful")
    @access.scope("demo.read", acr="high", max_age_s=300)
    def careful() -> Any:
        return jsonify(subject=access.token().subject)

    @app.get("/demo/plain")
    @access.scope("demo.read")
    def plain() -> Any:
        return jsonify(subject=access.token().subject)

    return app.test_client()


def get(caller: FlaskClient, path: str, headers: dict[str, str]) -> TestResponse:
    return caller.get(path, headers={"Atoll-Gateway-Key": GATEWAY_KEY, **headers})


def test_a_bound_token_with_its_keys_proof_passes(caller: FlaskClient, issuer: FakeIssuer) -> None:
    headers = issuer.headers("demo", "demo.read", bound_to=KEY)
    assert get(caller, "/demo/plain", headers).status_code == 200


@pytest.mark.parametrize("proof", [None, "", "x", ProofKey().thumbprint])
def test_security_25_a_bound_token_without_its_keys_proof_is_refused(
    caller: FlaskClient, issuer: FakeIssuer, proof: str | None
) -> None:
    headers = issuer.headers("demo", "demo.read", bound_to=KEY)
    del headers["Atoll-Proof"]
    if proof is not None:
        headers["Atoll-Proof"] = proof
    answer = get(caller, "/demo/plain", headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")


def test_security_25_a_bound_token_as_bearer_is_refused(
    caller: FlaskClient, issuer: FakeIssuer
) -> None:
    text = issuer.token("demo", "demo.read", bound_to=KEY)
    for headers in (
        {"Authorization": f"Bearer {text}"},
        {"Authorization": f"Bearer {text}", "Atoll-Proof": KEY.thumbprint},
    ):
        assert get(caller, "/demo/plain", headers).status_code == 401


def test_security_25_a_proof_without_a_bound_token_is_refused(
    caller: FlaskClient, issuer: FakeIssuer
) -> None:
    text = issuer.token("demo", "demo.read")
    headers = {"Authorization": f"DPoP {text}", "Atoll-Proof": KEY.thumbprint}
    assert get(caller, "/demo/plain", headers).status_code == 401


def test_a_strong_and_recent_sign_in_passes(caller: FlaskClient, issuer: FakeIssuer) -> None:
    headers = issuer.headers(
        "demo", "demo.read", subject="p1", acr="high", auth_time=int(time.time()) - 100
    )
    assert get(caller, "/demo/careful", headers).get_json() == {"subject": "p1"}


@pytest.mark.parametrize(
    "sign_in",
    [
        {},
        {"acr": "high"},
        {"acr": "substantial", "auth_time": int(time.time())},
        {"acr": "highest", "auth_time": int(time.time())},
        {"acr": ["high"], "auth_time": int(time.time())},
        {"acr": "high", "auth_time": int(time.time()) - 3600},
        {"acr": "high", "auth_time": "now"},
    ],
)
def test_a_weak_or_old_sign_in_is_told_what_to_ask_for(
    caller: FlaskClient, issuer: FakeIssuer, sign_in: dict[str, Any]
) -> None:
    answer = get(
        caller, "/demo/careful", issuer.headers("demo", "demo.read", subject="p1", **sign_in)
    )
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="atoll", error="insufficient_user_authentication"')
    assert 'acr_values="high"' in challenge
    assert 'max_age="300"' in challenge
    assert answer.get_json()["acr_values"] == "high"


def test_a_machine_never_reaches_a_level_of_sign_in(
    caller: FlaskClient, issuer: FakeIssuer
) -> None:
    answer = get(caller, "/demo/careful", issuer.headers("demo", "demo.read"))
    assert answer.get_json()["type"].endswith("/insufficient-user-authentication")


def test_an_unknown_level_is_a_fault_of_the_view() -> None:
    with pytest.raises(ValueError, match="no level"):
        access.scope("demo.read", acr="gold")
