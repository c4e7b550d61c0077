"""Clients of every kind for the tests of the protocol core, and the assertions that they sign."""

import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.domain.digests import fingerprint
from services.identity.protocol import assertions
from services.identity.storage.tables import Client
from tests.identity.callers import VERIFIER, Program
from tests.support.clock import FakeClock

ISSUER = "http://localhost:8000/identity"
CALLBACK = "https://service.example/callback"


def add_client(app: Flask, client_id: str, **values: Any) -> None:
    """Register a client that may sign people in and act for itself, changed by ``values``."""
    client = {
        "name": {"en": client_id},
        "secret_hash": fingerprint(f"{client_id}-secret"),
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "redirect_uris": [CALLBACK],
        "scopes": ["registers.read"],
        "person_scopes": ["openid", "profile", "notify.inbox"],
    } | values
    with app.extensions["identity"].database.transaction() as session:
        session.add(Client(client_id=client_id, **client))


class Signer:
    """A client that proves who it is by ``private_key_jwt``."""

    def __init__(self, app: Flask, program: Program, clock: FakeClock, client_id: str) -> None:
        self.client_id, self.program, self.clock = client_id, program, clock
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.jwks = {"keys": [{**public, "kid": "one", "use": "sig", "alg": "ES256"}]}
        add_client(app, client_id, auth_method="private_key_jwt", secret_hash=None, jwks=self.jwks)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(12),
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(
        self, key: Any = None, headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        return jwt.encode(
            self.claims(**changes), key or self.key, "ES256", {"kid": "one"} | (headers or {})
        )

    def ask(self, assertion: str, **form: str) -> TestResponse:
        """Ask for a token of the client's own."""
        asked = {
            "grant_type": "client_credentials",
            "resource": "urn:atoll:registers",
            "client_assertion_type": assertions.TYPE,
            "client_assertion": assertion,
        } | form
        return self.program.call("POST", "/identity/token", data=asked)


def redeem(program: Program, client_id: str, code: str, **form: str) -> TestResponse:
    """Redeem a code as a public client does: by its name and its verifier."""
    asked = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | form
    return program.call("POST", "/identity/token", data=asked)
