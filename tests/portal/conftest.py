"""A portal on SQLite with a fake platform behind it."""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache

from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.outbound import Corridor
from servicekit.tokens import KeySource
from services.portal.app import create_app
from services.portal.settings import Settings
from services.portal.storage import metadata
from tests.conftest import GATEWAY_KEY
from tests.portal.platform import FakePlatform
from tests.support.issuer import FakeIssuer

DEMONSTRATION = {
    "fisheries": {
        "clients": [],
        "notify": {"api_keys": {"test": f"test-{'a' * 36}-{'b' * 36}"}},
    },
    "sandbox": {
        "clients": [
            {
                "client_id": "sandbox",
                "client_secret": "sandbox-secret",
                "scopes": ["registers.read", "exchanges.overview"],
            }
        ],
    },
}


def make_settings(database_url: str = "sqlite://", **changes: Any) -> Settings:
    return Settings(
        **{
            "database_url": database_url,
            "gateway_key": GATEWAY_KEY,
            "client_secret": "portal-secret",
            "form_key": "f" * 64,
            "data_key": base64.urlsafe_b64encode(b"d" * 32).decode(),
            "start_state": json.dumps({"demonstration": DEMONSTRATION}),
            **changes,
        }
    )


@pytest.fixture
def platform(issuer: FakeIssuer) -> FakePlatform:
    return FakePlatform(issuer)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


class MovableClock:
    """The machine's clock, moved on by a test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def make_app(
    sqlite: Database, platform: FakePlatform, clock: MovableClock, compiled: FileSystemBytecodeCache
) -> Callable[..., Flask]:
    def make(database: Database = sqlite, **changes: Any) -> Flask:
        metadata.create_all(database.engine)
        settings = make_settings(**changes)
        corridor = Corridor(
            settings.gateway_url, "portal", "portal-secret", http=platform.session()
        )
        app = create_app(
            settings,
            database=database,
            corridor=corridor,
            keys=KeySource(platform.issuer.jwks, cooldown_s=0),
            clock=clock,
        )
        app.jinja_env.bytecode_cache = compiled  # else every test compiles every template
        return app

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


class Browser:
    """A client that comes through the gateway and follows a sign-in as a browser would."""

    def __init__(self, app: Flask, platform: FakePlatform) -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["HTTP_ATOLL_GATEWAY_KEY"] = GATEWAY_KEY
        self.client.environ_base["HTTP_ACCEPT"] = "text/html"
        self.platform = platform
        self.get, self.post = self.client.get, self.client.post

    def text(self, path: str, status: int = 200, **options: Any) -> str:
        answer = self.get(path, **options)
        assert answer.status_code == status, answer.text
        return answer.text

    def cookie(self) -> str:
        found = self.client.get_cookie("atoll_portal")
        return found.value if found else ""

    def begin(self, back: str = "/portal/inbox") -> dict[str, str]:
        """Start a sign-in; return what identity is asked."""
        answer = self.get("/portal/sign-in", query_string={"back": back})
        assert answer.status_code == 303
        asked = {k: v[0] for k, v in parse_qs(urlsplit(answer.location).query).items()}
        self.platform.nonce = asked["nonce"]
        return asked

    def come_back(self, asked: dict[str, str], **changes: str | None) -> Any:
        """Return from identity with its answer, changed as a test wants it."""
        answer = {
            "state": asked["state"],
            "iss": self.platform.issuer.issuer,
            "code": "good-code",
        } | changes
        return self.get(
            "/portal/callback", query_string={k: v for k, v in answer.items() if v is not None}
        )

    def sign_in(self) -> None:
        assert self.come_back(self.begin()).status_code == 303

    def form_token(self, path: str = "/portal/licence") -> str:
        text = self.text(path)
        return text.partition('name="form_token" value="')[2].partition('"')[0]


@pytest.fixture
def browser(app: Flask, platform: FakePlatform) -> Browser:
    return Browser(app, platform)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    folder.mkdir()
    return folder
