"""The callers that identity's tests act as: a program with a client id, a person's browser."""

import base64
import hashlib
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.domain import totp
from tests.support.clock import FakeClock

GATEWAY_KEY = "k" * 64
REDIRECT_URI = "http://localhost:8000/portal/callback"
VERIFIER = "v" * 64
PERSON_SCOPES = "openid profile identity.contact notify.inbox exchanges.own"
FROM_GATEWAY = {"Atoll-Gateway-Key": GATEWAY_KEY}
BY_GATEWAY = {**FROM_GATEWAY, "Atoll-Caller": "urn:atoll:gateway"}


def challenge(verifier: str = VERIFIER) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def basic(client_id: str, secret: str | None = None) -> dict[str, str]:
    text = f"{client_id}:{secret or client_id + '-secret'}"
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def query_of(response: TestResponse) -> dict[str, str]:
    """The parameters that a redirect carries, each once."""
    parameters = parse_qs(urlsplit(response.headers["Location"]).query)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: values[0] for name, values in parameters.items()}


class Program:
    """Calls identity as a system does, through a gateway that this class stands for."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {**FROM_GATEWAY, **options.pop("headers", {})}
        return self.app.test_client(use_cookies=False).open(
            path, method=method, headers=headers, **options
        )

    def token(self, client: str = "fisheries", **form: str) -> TestResponse:
        return self.call("POST", "/identity/token", data=form, headers=basic(client))

    def own_token(self, client: str, service: str, scope: str | None = None) -> dict[str, str]:
        """A token of the client for itself, as a header."""
        form = {"grant_type": "client_credentials", "resource": f"urn:atoll:{service}"}
        answer = self.token(client, **form, **({"scope": scope} if scope else {}))
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    def redeem(self, code: str, client: str = "portal", **changes: str | None) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        } | changes
        return self.token(client, **{k: v for k, v in form.items() if v is not None})

    def refresh(self, token: str, client: str = "portal", **more: str) -> TestResponse:
        return self.token(client, grant_type="refresh_token", refresh_token=token, **more)

    def feed(self, after: int = 0) -> dict[str, Any]:
        return self.call("GET", f"/identity/feed?after={after}", headers=BY_GATEWAY).json


class Browser:
    """A person's browser: cookies, forms, and the start state's passwords and codes at hand."""

    def __init__(self, app: Flask, start_state: dict, clock: FakeClock) -> None:
        self.client = app.test_client()
        self.people, self.clock = start_state["people"], clock

    def get(self, path: str, **options: Any) -> TestResponse:
        headers = {**FROM_GATEWAY, "Accept": "text/html", **options.pop("headers", {})}
        return self.client.get(path, headers=headers, **options)

    def post(self, path: str, data: dict[str, Any], **options: Any) -> TestResponse:
        headers = {
            **FROM_GATEWAY,
            "Accept": "text/html",
            "Origin": "http://localhost:8000",
            "Sec-Fetch-Site": "same-origin",
            **options.pop("headers", {}),
        }
        return self.client.post(path, data=data, headers=headers, **options)

    def form_token(self, page: TestResponse) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
        assert found, page.text
        return found[1]

    def code(self, person: str, ahead: int = 0) -> str:
        step = totp.step_at(self.clock.now()) + ahead
        return totp.code_at(self.people[person]["totp_secret"], step)

    def sign_in(
        self,
        person: str = "aishath",
        at: str = "/identity/sign-in",
        *,
        agrees: bool = True,
        **changes: str,
    ) -> TestResponse:
        """Open the sign-in page at an address, fill it in and send it.

        agrees: go on over the page that asks for consent, if there is one.
        """
        form = {
            "form_token": self.form_token(self.get(at)),
            "username": person,
            "password": self.people[person]["password"] if person in self.people else "x",
            "code": self.code(person) if person in self.people else "123456",
        } | changes
        answer = self.post(at, form)
        return self.agree(answer) if agrees else answer

    def authorize(self, *, agrees: bool = True, **changes: str | None) -> TestResponse:
        answer = self.get("/identity/authorize", query_string=authorization(**changes))
        return self.agree(answer) if agrees else answer

    def agree(
        self, asked: TestResponse, decision: str = "agree", **form: str | list[str]
    ) -> TestResponse:
        """Answer the page that asks for consent, if this redirect leads there."""
        at = asked.headers.get("Location", "")
        if not at.startswith("/identity/consent?"):
            return asked
        page = self.get(at)
        assert page.status_code == 200, page.text
        return self.post(at, {"form_token": self.form_token(page), "decision": decision, **form})

    def get_code(self, person: str = "aishath", **changes: str | None) -> str:
        """Sign in for the portal and return the code; the clock moves on so codes stay fresh."""
        page = self.authorize(**changes)
        assert page.status_code == 303, page.text
        if page.headers["Location"].startswith("/identity/sign-in"):
            page = self.sign_in(person, page.headers["Location"])
            assert page.status_code == 303, page.text
            self.clock.advance(seconds=31)
        return query_of(page)["code"]

    @staticmethod
    def claims(token: str) -> dict[str, Any]:
        return jwt.decode(token, options={"verify_signature": False})

    def cookie(self) -> str | None:
        found = self.client.get_cookie("atoll_identity", domain="localhost")
        return found.value if found else None


def authorization(**changes: str | None) -> dict[str, str]:
    """The parameters of a right authorization request, changed; None leaves one out."""
    request = {
        "response_type": "code",
        "client_id": "portal",
        "redirect_uri": REDIRECT_URI,
        "scope": PERSON_SCOPES,
        "state": secrets.token_urlsafe(8),
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in request.items() if value is not None}
