"""People and programs at a platform that runs in this process: real sign-ins, real tokens."""

import importlib
import io
import secrets
import time
from contextlib import redirect_stdout
from typing import Any

import jwt
import pytest
import requests

from tests.platform.layout import ROOT
from tests.support.in_process import InProcess
from tests.support.platform import wait_for

SCOPES = "openid profile identity.contact identity.apps notify.inbox exchanges.own"


class Callers:
    """The demonstration's people as the portal signs them in, its programs, and strangers."""

    def __init__(self, running: InProcess) -> None:
        self.running, self.url = running, running.url
        self._clients = {one["client_id"]: one for one in running.credentials["clients"]}
        self._grants: dict[str, dict[str, Any]] = {}
        self._tokens: dict[tuple[str, ...], str] = {}

    def ask(
        self, method: str, path: str, token: str | None = None, **options: Any
    ) -> requests.Response:
        """Send one request through the door and follow nothing."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options["headers"] = headers | dict(options.get("headers", {}))
        return requests.request(
            method, f"{self.url}{path}", timeout=10, allow_redirects=False, **options
        )

    def grant(self, username: str) -> dict[str, Any]:
        """Sign a person in with password and one-time code, once; return what the portal gets."""
        if username not in self._grants:
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
                patch.syspath_prepend(ROOT / "examples")
                patch.delenv("ATOLL_GATEWAY_URL", raising=False)
                example = importlib.import_module("platform_client")
                browser = example.Platform(self.running.credentials, "portal", True)
                self._grants[username] = browser.sign_in(username, SCOPES, "signed in")
        return self._grants[username]

    def person(self, username: str, service: str, scope: str) -> str:
        """Return a person's access token for one service, as the portal renews it."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.grant(username)["refresh_token"],
            "scope": scope,
            "resource": f"urn:atoll:{service}",
        }
        answer = self.ask("POST", "/identity/token", data=form, auth=self.secret("portal"))
        assert answer.status_code == 200, answer.text
        self._grants[username] |= answer.json()
        return str(answer.json()["access_token"])

    def subject(self, username: str) -> str:
        """Return the platform's own identifier of a person."""
        text = self.grant(username)["access_token"]
        return str(jwt.decode(text, options={"verify_signature": False})["sub"])

    def secret(self, client_id: str) -> tuple[str, str]:
        """Return a program's id and secret."""
        return client_id, self._clients[client_id]["client_secret"]

    def program(self, service: str, scope: str, **metadata: Any) -> tuple[str, str]:
        """Register a program as the operator does; return its id and its token for a service."""
        given = {
            "client_name": f"Program {secrets.token_hex(3)}",
            "grant_types": ["client_credentials"],
            "scope": scope,
        }
        operator = self.running.token("operator", "identity", "identity.clients")
        made = self.ask("POST", "/identity/clients", operator, json=given | metadata)
        assert made.status_code == 201, made.text
        client = made.json()
        form = {"grant_type": "client_credentials", "scope": scope}
        form["resource"] = f"urn:atoll:{service}"
        auth = client["client_id"], client["client_secret"]
        answer = self.ask("POST", "/identity/token", data=form, auth=auth)
        assert answer.status_code == 200, answer.text
        return client["client_id"], str(answer.json()["access_token"])

    def kept(self, client_id: str, service: str, scope: str) -> str:
        """Return a program's token, the same each time."""
        key = client_id, service, scope
        if key not in self._tokens:
            self._tokens[key] = self.running.token(client_id, service, scope)
        return self._tokens[key]

    def subscriber(self) -> str:
        """Return the token of a program that may subscribe to registers, the same each time."""
        key = ("subscriber",)
        if key not in self._tokens:
            self._tokens[key] = self.program("registers", "registers.subscribe")[1]
            self.wait_for_agreement("/registers/island/subscriptions", self._tokens[key])
        return self._tokens[key]

    def wait_for_agreement(self, path: str, token: str) -> None:
        """Wait until the door knows of a new program's agreement."""
        wait_for(lambda: slug(self.ask("GET", path, token)) != "agreement-required", 10)

    def notify_token(self, service: str, kind: str = "live") -> str:
        """Return a token that a department's key signs for notify's own API."""
        key = self.running.credentials["notify_services"][service]["api_keys"][kind]
        return jwt.encode({"iss": key[-73:-37], "iat": int(time.time())}, key[-36:], "HS256")

    def ferry(self, **changes: Any) -> dict[str, Any]:
        """Return a text that the Ferry Operator sends."""
        words = {"ticket": "FERRY-1", "from": "Thulusdhoo", "to": "Malé", "day": "2026-03-03"}
        return {
            "template_id": self.template("ferry-operator", "sms"),
            "personalisation": words,
            "phone_number": "+9607000102",
        } | changes

    def template(self, service: str, kind: str) -> str:
        """Return the id of a department's template."""
        return str(self.running.credentials["notify_services"][service]["templates"][kind])


def slug(answer: requests.Response) -> str:
    """Return the name of a problem."""
    return str(answer.json().get("type", "")).rpartition("/")[2]
