"""Keys and JWT: statements 19, 23 and 24 of the identity profile, at identity's own endpoints."""

import base64
import hashlib
import hmac
import json
import logging

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from flask import Flask
from sqlalchemy import select

from servicekit.database import Database
from services.identity.domain.jwk import thumbprint
from services.identity.storage.protocol_tables import StoredKey
from tests.identity.callers import Browser, Program
from tests.support.clock import FakeClock


def encode(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def status(program: Program, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return program.call("GET", "/identity/userinfo", headers=headers).status_code


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": ["ES256"]},
        {"crit": ["x"], "x": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": ["a"]},
        {"kid": 1},
        {"kid": "x" * 10_000},
        {"kid": "\0"},
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": {"kty": "EC"}, "kid": "x"},
        {"jku": "https://evil.example/jwks", "kid": "x"},
        {"x5u": "https://evil.example/x5u", "kid": "x"},
    ],
)
def test_security_19_a_token_with_a_changed_header_is_refused(
    browser: Browser, program: Program, changes: dict
) -> None:
    good = program.redeem(browser.get_code()).json["access_token"]
    _, payload, signature = good.split(".")
    changed = jwt.get_unverified_header(good) | changes
    assert status(program, good) == 200
    assert status(program, f"{encode(changed)}.{payload}.{signature}") == 401
    assert status(program, f"{encode(changed)}.{payload}.") == 401


def test_security_19_a_token_in_another_form_is_refused(browser: Browser, program: Program) -> None:
    good = program.redeem(browser.get_code()).json["access_token"]
    header, payload, signature = good.split(".")
    serialised = json.dumps({"payload": payload, "protected": header, "signature": signature})
    for other in (good + "==", good[:-4], f"{header}.{payload}.", serialised, "a.b.c", "x" * 9000):
        assert status(program, other) == 401


def test_security_19_the_public_key_is_no_secret_for_hs256(app: Flask, program: Program) -> None:
    ring = app.extensions["identity"].keys
    (jwk,) = [key for key in ring.jwks()["keys"] if key["kid"] == ring.active_kid()]
    public = jwt.PyJWK(jwk).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": "http://localhost:8000/identity", "sub": "a" * 22, "client_id": "portal"}
    claims |= {"aud": "urn:atoll:identity", "scope": "openid", "jti": "1", "iat": 0, "exp": 2**40}
    signed = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': jwk['kid']})}.{encode(claims)}"
    for secret in (public, json.dumps(jwk).encode()):
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        assert status(program, f"{signed}.{encode(signature)}") == 401


def test_security_23_a_token_expires_with_five_seconds_of_leeway(
    browser: Browser, program: Program, clock: FakeClock
) -> None:
    token = program.redeem(browser.get_code()).json["access_token"]
    clock.advance(seconds=905)
    assert status(program, token) == 200
    clock.advance(seconds=1)
    assert status(program, token) == 401


def test_security_24_the_key_set_has_no_private_member(
    app: Flask, program: Program, signing_key: str
) -> None:
    answer = program.call("GET", "/identity/jwks")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    of_every_key = {"kty", "kid", "alg", "use"}
    members = {"ES256": {"crv", "x", "y"}, "RS256": {"n", "e"}}
    assert sorted(key["alg"] for key in answer.json["keys"]) == ["ES256"] * 2 + ["RS256"] * 2
    for key in answer.json["keys"]:
        assert set(key) == of_every_key | members[key["alg"]]
        assert key["kid"] == thumbprint(key)
    public = load_pem_private_key(signing_key.encode(), None).public_key()
    given = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
    assert app.extensions["identity"].keys.active_kid() == thumbprint(given)


def test_security_24_private_keys_are_sealed_where_they_are_kept(
    app: Flask, file_database: Database
) -> None:
    with file_database.snapshot() as session:
        rows = session.scalars(select(StoredKey)).all()
    assert len(rows) == 4
    vault = app.extensions["identity"].vault
    for row in rows:
        assert b"PRIVATE" not in row.sealed
        assert "PRIVATE KEY" in vault.open(row.sealed, row.kid)
        assert "d" not in row.jwk
        with pytest.raises(InvalidTag):
            vault.open(row.sealed, "of another key")


def test_security_24_secrets_are_not_shown_or_logged(
    app: Flask, browser: Browser, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    settings = app.extensions["identity"].settings
    shown = repr(settings)
    with caplog.at_level(logging.DEBUG):
        code = browser.get_code()
        tokens = program.redeem(code).json
    seen = shown + "\n".join(str(vars(record)) for record in caplog.records)
    assert "PRIVATE KEY" not in seen
    for secret in (settings.data_key, settings.form_key, code, "aishath likes boats"):
        assert secret not in seen
    assert tokens["access_token"] not in seen
    assert tokens["refresh_token"] not in seen


def test_the_metadata_says_what_is_true(program: Program) -> None:
    one = program.call("GET", "/identity/.well-known/openid-configuration").json
    other = program.call("GET", "/.well-known/oauth-authorization-server/identity").json
    assert one == other
    assert one["issuer"] == "http://localhost:8000/identity"
    assert one["code_challenge_methods_supported"] == ["S256"]
    assert one["request_uri_parameter_supported"] is False
    assert one["authorization_response_iss_parameter_supported"] is True
    for name in ("token", "userinfo", "authorization", "end_session"):
        path = one[f"{name}_endpoint"].removeprefix("http://localhost:8000")
        assert program.call("PUT", path).status_code == 405  # it is there
