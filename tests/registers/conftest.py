"""The registers service with its start state, ready to be called as the gateway would."""

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from servicekit import migrate
from servicekit.database import Database
from services.registers.app import create_app
from services.registers.settings import Settings
from tests.conftest import GATEWAY_KEY
from tests.registers.stamps import EMPTY, body, declared, stamp
from tests.support import postgres
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

PACKAGE = "services.registers"
VECTORS = Path(__file__).parents[3] / "shared" / "reference" / "registers-vectors.json"


LOG_KEY = "A" * 43 + "="  # 32 bytes of nothing


def settings(url: str = "sqlite://", **given: str) -> Settings:
    given = {"log_key": LOG_KEY} | given
    return Settings(database_url=url, gateway_key=GATEWAY_KEY, **given)


def as_forwarded(path: str) -> dict[str, str]:
    """What the gateway adds to a call: its key, and the path where a part holds a slash."""
    sent = path.partition("?")[0]
    headers = {"Atoll-Gateway-Key": GATEWAY_KEY}
    return headers | ({"Atoll-Path": sent} if "%2f" in sent.lower() else {})


class Caller:
    """Calls one application with the gateway's key, as the custodian of the vessels."""

    def __init__(self, database: Database, issuer: FakeIssuer, clock: FakeClock) -> None:
        self.app = create_app(
            settings(), database=database, verifier=issuer.verifier(), clock=clock
        )
        self.database, self.issuer = database, issuer
        self.custodian = self.token()

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def token(
        self,
        scope: str = "registers.append",
        role: str = "registers:custodian:fishing-vessel",
        **options: Any,
    ) -> dict[str, str]:
        return self.issuer.headers("registers", scope, roles=[role], **options)

    def get(self, path: str, headers: dict[str, str] | None = None) -> TestResponse:
        return self.client.get(path, headers={**as_forwarded(path), **(headers or {})})

    def json(self, path: str) -> Any:
        response = self.get(path)
        assert response.status_code == 200, response.text
        return json.loads(response.data)

    def append(
        self,
        item: Any,
        key: str | None = "key-1",
        register: str = "fishing-vessel",
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        return self.send(json.dumps({"item": item}), key, register, headers)

    def load(
        self,
        body: bytes,
        path: str,
        kind: str = "application/uk-gov-rsf",
        role: str | None = None,
        accept: str = "*/*",
    ) -> TestResponse:
        """Send a file to load, as the operator unless a custodian's role is named."""
        every = {"Atoll-Gateway-Key": GATEWAY_KEY, "Content-Type": kind, "Accept": accept}
        token = self.token(role=role) if role else self.token("platform.operate", "none")
        return self.client.post(path, data=body, headers={**every, **token})

    def send(
        self,
        body: bytes | str,
        key: str | None = "key-1",
        register: str = "fishing-vessel",
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        every = {"Atoll-Gateway-Key": GATEWAY_KEY, "Content-Type": "application/json"}
        every |= self.custodian if headers is None else headers
        if key is not None:
            every["Idempotency-Key"] = key
        return self.client.post(f"/registers/{register}/entries", data=body, headers=every)


def vessel(number: int, **fields: Any) -> dict[str, Any]:
    """A boat that nobody has appended yet."""
    return {"fishing-vessel": f"T-{number}", "name": f"Boat {number}"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registers") / "seeded.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(PACKAGE, database)
    migrate.load_start_state(PACKAGE, settings(), database)
    database.dispose()
    return path


@pytest.fixture
def registers(
    seeded_file: Path, tmp_path: Path, issuer: FakeIssuer, clock: FakeClock
) -> Iterator[Caller]:
    """The service on its start state (SQLite)."""
    path = shutil.copy(seeded_file, tmp_path / "registers.db")
    database = Database(f"sqlite:///{path}")
    yield Caller(database, issuer, clock)
    database.dispose()


@pytest.fixture(scope="session")
def untouched(seeded_file: Path) -> Iterator[Caller]:
    """The service on its start state, shared by tests that append nothing (making one is slow)."""
    database = Database(f"sqlite:///{seeded_file}")
    yield Caller(database, FakeIssuer(), FakeClock())
    database.dispose()


@pytest.fixture(scope="session")
def seeded_postgres(postgres_server: str) -> Iterator[tuple[str, str]]:
    """A PostgreSQL server and the name of a database with the start state, to be copied."""
    with postgres.empty_database(postgres_server) as url:
        database = Database(url)
        migrate.upgrade(PACKAGE, database)
        migrate.load_start_state(PACKAGE, settings(), database)
        database.dispose()
        yield postgres_server, str(make_url(url).database)


@contextlib.contextmanager
def copy_of(server: str, template: str) -> Iterator[str]:
    name = f"t_{secrets.token_hex(8)}"
    host = server.split()[0].removeprefix("host=")
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield f"postgresql+psycopg://atoll@/{name}?host={host}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stored(
    request: pytest.FixtureRequest, issuer: FakeIssuer, clock: FakeClock
) -> Iterator[Caller]:
    """The service on its start state, once on each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("registers")
        return
    with copy_of(*request.getfixturevalue("seeded_postgres")) as url:
        database = Database(url)
        yield Caller(database, issuer, clock)
        database.dispose()


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def untouched_on_both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Caller]:
    """The service on its start state, once on each engine, shared by tests that append nothing."""
    if request.param == "sqlite":
        path = shutil.copy(
            request.getfixturevalue("seeded_file"), tmp_path_factory.mktemp("both") / "registers.db"
        )
        database = Database(f"sqlite:///{path}")
        yield Caller(database, FakeIssuer(), FakeClock())
        database.dispose()
        return
    with copy_of(*request.getfixturevalue("seeded_postgres")) as url:
        database = Database(url)
        yield Caller(database, FakeIssuer(), FakeClock())
        database.dispose()


@pytest.fixture
def stamps(registers: Caller) -> Caller:
    """The service with a register of two stamps."""
    response = registers.load(body(EMPTY, declared(), stamp("1"), stamp("2")), "/registers/load")
    assert response.status_code == 201, response.text
    return registers


@pytest.fixture(scope="session")
def vectors() -> Any:
    if not VECTORS.is_file():
        pytest.skip("the published vectors (../shared/reference/registers-vectors.json) are absent")
    return json.loads(VECTORS.read_text(encoding="utf-8"))
