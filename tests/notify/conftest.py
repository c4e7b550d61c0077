"""A notify service with its start state, called in process."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from servicekit import migrate
from servicekit.database import Database
from services.notify.app import create_app
from services.notify.providers.choice import make_providers
from services.notify.settings import Settings
from services.notify.worker import Worker
from tests.conftest import GATEWAY_KEY
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

DATA_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
PEOPLE = {
    name: f"sub-of-{name}-0000000" for name in ("aishath", "ibrahim", "mariyam", "hassan", "zeena")
}
SERVICE_ID = "3c5b5e0e-6f0f-4f0d-9a55-1a2b3c4d5e6f"
KEYS = {
    key_type: {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, key_type)), "secret": secret}
    for key_type, secret in {
        "live": "5a6f1f0a-0000-4000-8000-000000000001",
        "team": "5a6f1f0a-0000-4000-8000-000000000002",
        "test": "5a6f1f0a-0000-4000-8000-000000000003",
    }.items()
}
TEMPLATES = {
    channel: str(uuid.uuid5(uuid.NAMESPACE_URL, channel)) for channel in ("sms", "email", "letter")
}
SENDERS = {
    "sms_sender_id": "6b7f1f0a-0000-4000-8000-0000000000a1",
    "email_reply_to_id": "6b7f1f0a-0000-4000-8000-0000000000a2",
}
DEMO_ID = "7d0c7a52-53f4-4b52-8a8b-0f7a41f1a001"
DEMO = {
    "service_id": DEMO_ID,
    "api_keys": {
        name: {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"demo {name}")), "secret": key["secret"]}
        for name, key in KEYS.items()
    },
    "templates": {
        channel: str(uuid.uuid5(uuid.NAMESPACE_URL, f"demo {channel}")) for channel in TEMPLATES
    },
    "sms_sender_id": "6b7f1f0a-0000-4000-8000-0000000000b1",
    "email_reply_to_id": "6b7f1f0a-0000-4000-8000-0000000000b2",
}
START_STATE = {
    "services": {
        "fisheries": {
            "service_id": SERVICE_ID,
            "api_keys": KEYS,
            "templates": TEMPLATES,
            **SENDERS,
        },
        "demo": DEMO,
    },
    "people": PEOPLE,
}
SMS: dict[str, Any] = {
    "phone_number": "+960 7000101",
    "template_id": TEMPLATES["sms"],
    "personalisation": {"licence": "FV-0007", "vessel": "Kandu Koe"},
}
EMAIL: dict[str, Any] = {
    "email_address": "aishath@people.example",
    "template_id": TEMPLATES["email"],
    "personalisation": {
        "name": "Aishath Demo",
        "licence": "FV-0007",
        "vessel": "Kandu Koe",
        "island": "Thulusdhoo",
    },
}


def settings(database: Database, **changes: Any) -> Settings:
    return Settings(
        **{
            "database_url": database.engine.url.render_as_string(hide_password=False),
            "gateway_key": GATEWAY_KEY,
            "data_key": DATA_KEY,
            "start_state": json.dumps(START_STATE),
            **changes,
        }
    )


def prepare(database: Database) -> Settings:
    """Migrate a database and load the start state."""
    made = settings(database)
    migrate.upgrade("services.notify", database)
    migrate.load_start_state("services.notify", made, database)
    return made


def signed(
    clock: FakeClock,
    key_type: str = "live",
    *,
    secret: str | None = None,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    content = {"iss": SERVICE_ID, "iat": int(clock.now().timestamp())} | claims
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, secret or KEYS[key_type]["secret"], algorithm=algorithm)


class Api:
    """Calls the service as the gateway would forward it."""

    def __init__(self, client: FlaskClient, clock: FakeClock, service_id: str = SERVICE_ID) -> None:
        self.client, self.clock, self.service_id = client, clock, service_id

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "live",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Any:
        if body is not None:
            options["data"] = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.client.open(
            path,
            method=method,
            headers={
                "Atoll-Gateway-Key": GATEWAY_KEY,
                "Authorization": f"Bearer {signed(self.clock, key, iss=self.service_id)}",
                **(headers or {}),
            },
            **options,
        )

    def sms(self, changes: Any = None, **options: Any) -> Any:
        return self.call("POST", "/v2/notifications/sms", SMS | (changes or {}), **options)

    def email(self, changes: Any = None, **options: Any) -> Any:
        return self.call("POST", "/v2/notifications/email", EMAIL | (changes or {}), **options)

    def status(self, notification_id: str) -> str:
        return str(self.call("GET", f"/v2/notifications/{notification_id}").json["status"])


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a prepared SQLite file: copying it is faster than migrating for each test."""
    path = tmp_path_factory.mktemp("notify") / "prepared.db"
    database = Database(f"sqlite:///{path}")
    prepare(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.dispose()
    return path.read_bytes()


@pytest.fixture
def store(prepared_sqlite: bytes, tmp_path: Any) -> Iterator[Database]:
    """A prepared SQLite database, for tests whose subject is not the storage."""
    path = tmp_path / "notify.db"
    path.write_bytes(prepared_sqlite)
    database = Database(f"sqlite:///{path}")
    yield database
    database.dispose()


@pytest.fixture
def api(store: Database, clock: FakeClock, issuer: FakeIssuer) -> Api:
    app = create_app(settings(store), database=store, verifier=issuer.verifier(), clock=clock)
    return Api(app.test_client(), clock)


@pytest.fixture
def demo(api: Api, clock: FakeClock) -> Api:
    """The service of the official clients' checks, whose home country is GB."""
    return Api(api.client, clock, DEMO_ID)


@pytest.fixture
def worker(store: Database, clock: FakeClock) -> Worker:
    made = settings(store)
    return Worker(made, store, make_providers(made, store, clock), clock=clock, jitter=lambda: 1.0)


@pytest.fixture
def inbox(api: Api, issuer: FakeIssuer) -> Callable[..., Any]:
    """Open a person's inbox as the gateway would."""

    def read(person: str = "aishath", query: str = "") -> Any:
        subject = PEOPLE[person]
        return api.client.get(
            f"/notify/inbox{query}",
            headers={
                "Atoll-Gateway-Key": GATEWAY_KEY,
                "Atoll-Subject": subject,
                **issuer.headers("notify", "notify.inbox", subject=subject, client_id="portal"),
            },
        )

    return read
