"""Programs are registered by RFC 7591, and work at once."""

from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from werkzeug.test import TestResponse

from services.identity import registry as registry_module
from services.identity.parts import Parts
from services.identity.registry import Registry
from tests.identity.callers import Program, basic
from tests.identity.clients import Signer
from tests.support.clock import FakeClock

WEB = {"client_name": "Ferry times", "redirect_uris": ["https://ferry.example/back"]}
MACHINE = {"grant_types": ["client_credentials"]}


def operator(program: Program) -> dict[str, str]:
    return program.own_token("operator", "identity", "identity.clients")


def register(program: Program, **metadata: Any) -> TestResponse:
    return program.call("POST", "/identity/clients", json=metadata, headers=operator(program))


def test_a_registered_program_gets_a_token_at_once(app: Flask, program: Program) -> None:
    answer = register(program, **MACHINE)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["client_secret_expires_at"] == 0
    assert answer.headers["Cache-Control"] == "no-store"
    token = program.call(
        "POST",
        "/identity/token",
        data={"grant_type": "client_credentials"},
        headers=basic(made["client_id"], made["client_secret"]),
    )
    assert token.status_code == 200, token.text
    assert token.json["scope"] == "registers.read"
    last = program.feed()["events"][-1]
    assert last["client_id"] == made["client_id"]
    assert last["enabled"] is True


def test_the_answer_gives_back_what_was_registered(program: Program) -> None:
    made = register(program, **WEB, scope="openid profile", **{"client_name#dv": "ފެރީގެ ވަގުތުތައް"}).json
    assert made["client_name"] == "Ferry times"
    assert made["client_name#dv"] == "ފެރީގެ ވަގުތުތައް"
    assert made["redirect_uris"] == WEB["redirect_uris"]
    assert made["grant_types"] == ["authorization_code"]
    assert made["response_types"] == ["code"]
    assert made["scope"] == "openid profile"
    assert made["id_token_signed_response_alg"] == "RS256"
    assert made["subject_type"] == "pairwise"
    assert made["status"] == "sandbox"


@pytest.mark.parametrize(
    "address",
    [
        "http://ferry.example/back",
        "https://ferry.example/back#part",
        "https://user@ferry.example/back",
        "https://*.example/back",
        "https://Ferry.example/back",
        "https://ferry.example//back",
        "https://ferry.example/a/../back",
        "https://ferry.example/%2e%2e/back",
        "https://ferry.example:99999/back",
        "https://ferry.example:/back",
        "https://ferry.example/back\r\nSet-Cookie: a=b",
        "https://ferry.example\\@evil.example/",
        "javascript:alert(1)",
        "data:text/html,hello",
        "com.example.app:/back",
        "//ferry.example/back",
        "/back",
        "https://",
        "https://[::1",
        "https://ferry.example/" + "a" * 2000,
        "",
        7,
        None,
        {"a": 1},
    ],
    ids=repr,
)
def test_a_redirect_address_that_could_mislead_is_invalid_redirect_uri(
    program: Program, address: Any
) -> None:
    answer = register(program, client_name="x", redirect_uris=[address])
    assert answer.status_code == 400, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json["error"] == "invalid_redirect_uri"
    assert answer.json["error_description"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"client_name": 7},
        {"client_name": "\u202e"},
        {"client_name": "a\0b"},
        {"client_name": "x" * 101},
        {"grant_types": ["implicit"]},
        {"grant_types": ["password"]},
        {"grant_types": []},
        {"grant_types": [{}]},
        {"grant_types": "client_credentials"},
        {"grant_types": ["refresh_token"]},
        {"response_types": ["token"]},
        {"response_types": "code"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
        {"subject_type": "public"},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"sector_identifier_uri": "https://a.example/sector"},
        {"scope": "everything"},
        {"scope": ""},
        {"scope": "platform.operate"},
        {"scope": "notify.inbox"},
        {"scope": "identity.clients", "grant_types": ["client_credentials"]},
        {"scope": "registers.append", "grant_types": []},
        {"scope": ["openid"]},
        {"scope": "openid", "grant_types": ["client_credentials"]},
        {"contacts": ["nobody"]},
        {"contacts": "a@b.example"},
        {"client_uri": "javascript:alert(1)"},
        {"client_uri": "http://localhost/"},
        {"jwks_uri": "http://10.0.0.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"backchannel_logout_uri": "http://169.254.169.254/latest"},
        {"backchannel_logout_session_required": "yes"},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}},
        {"jwks": {"keys": [{"kty": ["EC"]}]}},
        {"jwks": {"keys": "all"}},
        {"jwks": [1]},
        {"profile": "fapi2", "token_endpoint_auth_method": "client_secret_basic"},
        {"profile": "fapi2"},
        {"profile": "fapi3"},
        {"dpop_bound_access_tokens": True},
        {"application_type": "desktop"},
        {"environment": "production"},
        {"owner": "nobody-at-all"},
        {"owner": 7},
        {"client_id": "urn:atoll:gateway"},
        {"client_id": "gateway"},
        {"client_id": "identity"},
        {"client_id": "registers"},
        {"client_id": "notify"},
        {"client_id": "portal"},
        {"client_id": "exchanges"},
        {"client_id": "a" * 22},
        {"client_id": "fisheries"},
        {"client_id": "Café"},
        {"client_id": 3},
        {"why": ["because"]},
    ],
    ids=repr,
)
def test_hostile_metadata_is_invalid_client_metadata(
    program: Program, metadata: dict[str, Any]
) -> None:
    answer = register(program, **({"redirect_uris": WEB["redirect_uris"]} | metadata))
    assert answer.status_code == 400, answer.text
    assert answer.json["error"] == "invalid_client_metadata"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"{", "application/json"),
        (b'{"client_name": "\\ud800"}', "application/json"),
        (b'{"a": 1, "a": 2}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"client_name": "' + b"x" * 70_000 + b'"}', "application/json"),
        (b"client_name=x", "application/x-www-form-urlencoded"),
    ],
    ids=range(10),
)
def test_a_body_that_is_no_json_object_is_refused_in_the_same_shape(
    program: Program, body: bytes, kind: str
) -> None:
    answer = program.call(
        "POST", "/identity/clients", data=body, headers=operator(program) | {"Content-Type": kind}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json["error"] == "invalid_client_metadata"


def public_jwk(**members: Any) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), **members}


def test_a_strict_program_has_keys_and_takes_es256_alone(
    app: Flask, program: Program, clock: FakeClock
) -> None:
    strict = {**WEB, "profile": "fapi2"}
    signer = Signer(app, program, clock, "signer")
    made = register(program, **strict, jwks=signer.jwks).json
    assert made["token_endpoint_auth_method"] == "private_key_jwt"
    assert made["id_token_signed_response_alg"] == "ES256"
    assert made["dpop_bound_access_tokens"] is True
    assert made["require_pushed_authorization_requests"] is True
    assert "client_secret" not in made
    for more in (
        {"jwks": signer.jwks, "id_token_signed_response_alg": "RS256"},
        {"jwks": signer.jwks, "token_endpoint_auth_method": "client_secret_post"},
        {"jwks": signer.jwks, "token_endpoint_auth_method": "none"},
        {"jwks": signer.jwks, "jwks_uri": "https://keys.example/jwks"},
        {},
    ):
        refused = register(program, **(strict | more))
        assert refused.status_code == 400, more
        assert refused.json["error"] == "invalid_client_metadata"


def test_a_program_proves_itself_with_the_keys_it_registered(
    app: Flask, program: Program, clock: FakeClock
) -> None:
    signer = Signer(app, program, clock, "signer")
    made = register(
        program,
        client_name="By key",
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [*signer.jwks["keys"], {"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQ"}]},
    ).json
    assert [key["kid"] for key in made["jwks"]["keys"]] == ["one"], "not those to encrypt for it"
    signer.client_id = made["client_id"]
    assert signer.ask(signer.assertion()).status_code == 200


@pytest.mark.parametrize("member", ["d", "p", "k"])
def test_a_private_key_is_never_kept(program: Program, member: str) -> None:
    answer = register(program, **WEB, jwks={"keys": [public_jwk(**{member: "AQAB"})]})
    assert answer.status_code == 400
    assert "private key" in answer.json["error_description"]


def test_a_weak_key_is_refused(program: Program) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(weak, as_dict=True)
    for key in (jwk, public_jwk(alg="HS256"), public_jwk(crv="P-384"), public_jwk(x="AAAA")):
        assert register(program, **WEB, jwks={"keys": [key]}).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "https://ferry.example/back",
        "https://ferry.example:8443/back?from=atoll",
        "https://xn--abc.example/back",
        "http://localhost:3000/back",
        "http://127.0.0.1/back",
        "http://[::1]:9999/back",
    ],
)
def test_ordinary_addresses_are_taken_as_they_are(program: Program, address: str) -> None:
    made = register(program, client_name="x", redirect_uris=[address, address])
    assert made.status_code == 201, made.text
    assert made.json["redirect_uris"] == [address]


def test_a_live_web_program_comes_back_by_https_alone(program: Program) -> None:
    live = {"client_name": "x", "environment": "live"}
    local = ["http://localhost:3000/back"]
    assert register(program, **live, redirect_uris=local).json["error"] == "invalid_redirect_uri"
    native = register(program, **live, redirect_uris=local, application_type="native")
    assert native.json["status"] == "pending"


def test_a_changed_secret_counts_in_a_process_that_remembers_the_old_one(
    app: Flask, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process changed it; this one remembers clients for five seconds."""
    parts: Parts = app.extensions["identity"]
    times = [100.0]
    monkeypatch.setattr(registry_module, "time", SimpleNamespace(monotonic=lambda: times[0]))
    made = register(program, **MACHINE).json
    registry = Registry(parts.database, 5.0)
    old = registry.find(made["client_id"])
    rotated = program.call(
        "POST",
        f"/identity/clients/{made['client_id']}/secret",
        json={},
        headers=operator(program),
    )
    assert rotated.status_code == 200
    times[0] += 0.5
    assert registry.find_anew(made["client_id"]) is old, "one look a second"
    times[0] += 1
    new = registry.find_anew(made["client_id"])
    assert new is not None
    assert old is not None
    assert new.secret_hash != old.secret_hash
    assert registry.find_anew("nobody-at-all") is None


def test_the_metadata_name_the_registration_endpoint(program: Program) -> None:
    found = program.call("GET", "/identity/.well-known/openid-configuration").json
    assert found["registration_endpoint"] == "http://localhost:8000/identity/clients"
