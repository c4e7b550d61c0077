"""People who look after programs, as the portal's token lets them."""

from typing import Any

from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from services.identity.storage.tables import Person
from tests.identity.callers import Browser, Program

MACHINE = {"client_name": "Tide tables", "grant_types": ["client_credentials"]}
WEB = {"client_name": "Ferry times", "redirect_uris": ["https://ferry.example/back"]}


class Developer:
    """A person at the portal's developer pages."""

    def __init__(self, browser: Browser, program: Program, username: str) -> None:
        self.program, self.browser = program, browser
        code = browser.get_code(username, scope="openid identity.apps", prompt="login")
        answer = program.redeem(code, resource="urn:atoll:identity")
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json['access_token']}"}

    def call(self, method: str, path: str = "", body: Any = None) -> TestResponse:
        options = {} if body is None else {"json": body}
        return self.program.call(
            method, f"/identity/clients{path}", headers=self.headers, **options
        )

    def register(self, **metadata: Any) -> dict[str, Any]:
        answer = self.call("POST", "", metadata)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def show(self, client_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/{client_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def decide(self, client_id: str, decision: str, reason: str = "seen") -> TestResponse:
        return self.call("POST", f"/{client_id}/decision", {"decision": decision, "reason": reason})


def give_role(app: Flask, username: str, *roles: str) -> None:
    with app.extensions["identity"].database.transaction() as session:
        session.execute(update(Person).where(Person.username == username).values(roles=[*roles]))
