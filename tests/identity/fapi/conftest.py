"""Clients of the profile fapi2 and others beside them, and what they send."""

import secrets
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from werkzeug.test import TestResponse

from servicekit.database import Database
from services.identity.protocol.exchange import GRANT_TYPE
from services.identity.storage.tables import Client
from tests.identity.callers import VERIFIER, Browser, Program, authorization, query_of
from tests.support.clock import FakeClock
from tests.support.issuer import ProofKey

ISSUER = "http://localhost:8000/identity"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLBACK = "https://health.example/callback"


class Party:
    """One client, its keys, and its calls at a moment of the fake clock."""

    def __init__(self, client_id: str, program: Program, clock: FakeClock) -> None:
        self.client_id, self.program, self.clock = client_id, program, clock
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.key = ProofKey()
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        self.jwks = {"keys": [{**jwk, "kid": "k1", "alg": "ES256"}]}
        self.is_public = False

    def assertion(self, **claims: Any) -> dict[str, str]:
        """Prove who the client is: by an assertion, or just by name when it is public."""
        if self.is_public:
            return {"client_id": self.client_id}
        now = int(self.clock.now().timestamp())
        payload = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(12),
        } | claims
        text = jwt.encode(payload, self.private_key, "ES256", {"kid": "k1"})
        return {"client_assertion_type": ASSERTION, "client_assertion": text}

    def proof(self, path: str, token: str | None = None, method: str = "POST", **more: Any) -> str:
        url = f"http://localhost:8000/identity/{path}"
        now = {"iat": int(self.clock.now().timestamp())}
        return self.key.proof(method, url, token, **(now | more))

    def post(self, path: str, form: dict[str, Any], proof: str | None = "") -> TestResponse:
        """Send a form with the client's authentication; proof: "" makes a good one."""
        if proof == "":
            proof = self.proof(path)
        headers = {} if proof is None else {"DPoP": proof}
        form = {**self.assertion(), **form}
        return self.program.call("POST", f"/identity/{path}", data=form, headers=headers)

    def request(self, **changes: str | None) -> dict[str, str]:
        wanted = {"client_id": self.client_id, "redirect_uri": CALLBACK, "scope": "openid profile"}
        return authorization(**(wanted | changes))

    def push(self, proof: str | None = None, **changes: str | None) -> str:
        answer = self.post("par", self.request(**changes), proof)
        assert answer.status_code == 201, answer.text
        return str(answer.json["request_uri"])

    def authorize(self, browser: Browser, uri: str, **more: str) -> TestResponse:
        query = {"client_id": self.client_id, "request_uri": uri, **more}
        return browser.get("/identity/authorize", query_string=query)

    def code(self, browser: Browser, uri: str | None = None, person: str = "aishath") -> str:
        """Take a pushed request, or for others a plain one, through a person's sign-in."""
        page = (
            self.authorize(browser, uri)
            if uri
            else browser.get("/identity/authorize", query_string=self.request())
        )
        page = browser.agree(page)
        if page.headers["Location"].startswith("/identity/"):
            page = browser.sign_in(person, page.headers["Location"])
            self.clock.advance(seconds=31)
        assert page.status_code == 303, page.text
        return query_of(page)["code"]

    def redeem(self, code: str, proof: str | None = "", **changes: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.post("token", form | changes, proof)

    def refresh(self, token: str, proof: str | None = "") -> TestResponse:
        return self.post("token", {"grant_type": "refresh_token", "refresh_token": token}, proof)

    def userinfo(self, token: str, proof: str | None, scheme: str = "DPoP") -> TestResponse:
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
        return self.program.call("GET", "/identity/userinfo", headers=headers)


@pytest.fixture
def register(
    app: Flask, program: Program, file_database: Database, clock: FakeClock
) -> Callable[..., Party]:
    def make(client_id: str, **values: Any) -> Party:
        party = Party(client_id, program, clock)
        given = {
            "name": {"en": client_id},
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "person_scopes": ["openid", "profile"],
            "scopes": ["registers.read"],
            "auth_method": "private_key_jwt",
            "jwks": party.jwks,
        } | values
        party.is_public = given["auth_method"] == "none"
        with file_database.transaction() as session:
            session.add(Client(client_id=client_id, **given))
        app.extensions["identity"].clients.forget()
        return party

    return make


@pytest.fixture
def strict(register: Callable[..., Party]) -> Party:
    return register("health", profile="fapi2")


@pytest.fixture
def plain(register: Callable[..., Party]) -> Party:
    return register("ferries")


@pytest.fixture
def public(register: Callable[..., Party]) -> Party:
    return register("app", auth_method="none", jwks=None, application_type="native")


@pytest.fixture
def peer(register: Callable[..., Party]) -> Party:
    """A service that goes on for people: it may exchange tokens."""
    return register(
        "registers",
        grant_types=["client_credentials", GRANT_TYPE],
        person_scopes=["notify.inbox", "exchanges.own", "profile", "registers.read"],
    )
