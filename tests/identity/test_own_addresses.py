"""Identity calls addresses that clients registered: over a real connection, on a declared host."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from flask import Flask

from servicekit.database import Database
from services.identity.app import create_app
from services.identity.protocol.sign_outs import deliver_due
from services.identity.settings import Settings
from services.identity.storage import sign_outs
from services.identity.storage.tables import Client
from tests.identity.callers import Browser, Program
from tests.identity.clients import Signer
from tests.support.clock import FakeClock


class Service(HTTPServer):
    """A relying party with a key set and an address that hears of sign-outs."""

    jwks: dict[str, Any] = {"keys": []}  # noqa: RUF012
    heard: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self._answer(json.dumps(self.server.jwks).encode())

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append(parse_qs(form)["logout_token"][0])
        self._answer(b"")

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Answers)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(settings: Settings, file_database: Database, clock: FakeClock, service: Service) -> Flask:
    host = f"127.0.0.1:{service.server_port}"
    declared = dataclasses.replace(settings, test_hosts=host)
    return create_app(declared, database=file_database, clock=clock)


def test_a_client_is_known_by_the_keys_at_its_own_address(
    app: Flask, program: Program, clock: FakeClock, service: Service
) -> None:
    signer = Signer(app, program, clock, "signer")
    service.jwks = signer.jwks
    with app.extensions["identity"].database.transaction() as session:
        client = session.get_one(Client, "signer")
        client.jwks, client.jwks_uri = None, f"{service.address}/jwks"
    assert signer.ask(signer.assertion()).status_code == 200
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "signer").jwks_uri = "http://127.0.0.1:9/jwks"
    assert signer.ask(signer.assertion()).status_code == 401


def test_a_client_hears_of_a_sign_out_at_its_own_address(
    app: Flask, browser: Browser, program: Program, service: Service
) -> None:
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "portal").backchannel_logout_uri = f"{service.address}/logout"
    hint = program.redeem(browser.get_code()).json["id_token"]
    browser.get("/identity/sign-out", query_string={"id_token_hint": hint})
    assert deliver_due(app.extensions["identity"]) == 1
    (text,) = service.heard
    assert jwt.get_unverified_header(text)["typ"] == "logout+jwt"
    with app.extensions["identity"].database.snapshot() as session:
        (delivery,) = sign_outs.listed(session)
    assert delivery.last_answer == "200"
