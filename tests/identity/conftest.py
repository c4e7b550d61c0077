"""Identity with its start state on a fake clock, and the callers that test it."""

import contextlib
import dataclasses
import itertools
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import event

from servicekit import migrate
from servicekit.database import Database
from services.identity import passwords
from services.identity.app import create_app
from services.identity.protocol import keys
from services.identity.settings import Settings
from tests.identity.callers import Browser, Program
from tests.support.clock import FakeClock

PACKAGE = "services.identity"
GATEWAY_KEY = "k" * 64
PEOPLE = ("aishath", "ibrahim", "mariyam", "hassan", "zeena")


@pytest.fixture(scope="package", autouse=True)
def cheap_hashes() -> Iterator[Callable[[], PasswordHasher]]:
    """Hash passwords at hardly any cost; yields the real hasher for the test that looks at it."""
    real, cheap = passwords._hasher, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch = pytest.MonkeyPatch()
    patch.setattr(passwords, "_hasher", lambda: cheap)
    passwords.hash_password.cache_clear()
    yield real
    patch.undo()
    passwords.hash_password.cache_clear()


@pytest.fixture(scope="package", autouse=True)
def ready_made_keys() -> Iterator[Callable[[str], str]]:
    """Sign with RSA keys that were made once; yields what makes new ones, which takes long."""
    made = [keys.generate("RS256") for _ in range(4)]
    real, turn = keys.generate, itertools.cycle(made)
    patch = pytest.MonkeyPatch()
    patch.setattr(keys, "generate", lambda name: next(turn) if name == "RS256" else real(name))
    yield real
    patch.undo()


@pytest.fixture(scope="session")
def signing_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.fixture(scope="session")
def start_state() -> dict:
    """The secrets of the demonstration, the same in the whole run: hashing takes time."""
    return {
        "people": {
            name: {
                "sub": secrets.token_urlsafe(16),
                "password": f"{name} likes boats",
                "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            }
            for name in PEOPLE
        },
        "clients": {
            name: {"client_secret": f"{name}-secret"}
            for name in ("portal", "fisheries", "operator")
        },
    }


@pytest.fixture(scope="session")
def secrets_given(signing_key: str, start_state: dict) -> dict[str, str]:
    return {
        "gateway_key": GATEWAY_KEY,
        "signing_key": signing_key,
        "data_key": secrets.token_urlsafe(32),
        "form_key": "f" * 64,
        "start_state": json.dumps(start_state),
    }


@pytest.fixture(scope="package")
def settings(secrets_given: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("identity") / "test.db"
    # tests change clients in the database, and each begins with the same ones
    return Settings(database_url=f"sqlite:///{path}", client_cache_s=0, **secrets_given)


@pytest.fixture(scope="package")
def seeded(
    tmp_path_factory: pytest.TempPathFactory, secrets_given: dict[str, str]
) -> Iterator[sqlite3.Connection]:
    """The start state that every test begins from."""
    path = tmp_path_factory.mktemp("identity") / "seeded.db"
    settings = Settings(database_url=f"sqlite:///{path}", **secrets_given)
    database = Database(settings.database_url)
    migrate.upgrade(PACKAGE, database)
    migrate.load_start_state(PACKAGE, settings, database)
    database.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.fixture(scope="package")
def one_database(settings: Settings) -> Iterator[Database]:
    """The one SQLite file of these tests; it need not survive a power cut."""
    database = Database(settings.database_url)
    event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    yield database
    database.dispose()


@pytest.fixture
def file_database(
    one_database: Database, seeded: sqlite3.Connection, settings: Settings
) -> Database:
    path = settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        seeded.backup(connection)
    return one_database


@pytest.fixture
def each_database(database: Database, settings: Settings) -> Database:
    """The start state on each engine."""
    migrate.upgrade(PACKAGE, database)
    migrate.load_start_state(PACKAGE, settings, database)
    return database


@pytest.fixture(scope="package")
def one_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clock(one_clock: FakeClock) -> FakeClock:
    one_clock.moment = FakeClock().moment
    return one_clock


@pytest.fixture(scope="package")
def one_app(settings: Settings, one_database: Database, one_clock: FakeClock) -> Flask:
    """One application for all tests: its routes, templates and statements compile once."""
    return create_app(settings, database=one_database, clock=one_clock)


@pytest.fixture
def app(one_app: Flask, file_database: Database, clock: FakeClock) -> Flask:
    """The application on the start state, at the clock's first moment."""
    one_app.extensions["identity"].keys.forget()
    return one_app


@pytest.fixture
def app_on_each(settings: Settings, each_database: Database, clock: FakeClock) -> Flask:
    return create_app(settings, database=each_database, clock=clock)


@pytest.fixture
def program(app: Flask) -> Program:
    return Program(app)


@pytest.fixture
def browser(app: Flask, start_state: dict, clock: FakeClock) -> Browser:
    return Browser(app, start_state, clock)


@pytest.fixture
def https_app(settings: Settings, file_database: Database, clock: FakeClock) -> Flask:
    public = dataclasses.replace(
        settings, public_url="https://atoll.example", gateway_url="http://gateway", start_state=None
    )
    return create_app(public, database=file_database, clock=clock)
