"""A notify service on an empty database for measurements: its API in process, workers apart."""

import base64
import contextlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from sqlalchemy import func, insert, select
from werkzeug.test import EnvironBuilder

from bench.measure import free_port, pss_mb
from servicekit import migrate
from servicekit.database import Database
from services.notify.app import create_app
from services.notify.settings import Settings
from services.notify.storage import notifications
from services.notify.storage.tables import (
    ApiKey,
    DeliveryAttempt,
    Job,
    Notification,
    Service,
    Template,
    WorkerBeat,
)
from services.notify.vault import Vault
from tests.support import postgres

CHECKOUT = Path(__file__).resolve().parent.parent
_DATA_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
_GATEWAY_KEY = "k" * 64
_TEXT = "Your licence ((licence)) for ((vessel)) is granted."
_LIMITS = {"rate": 10_000_000, "sms": 10_000_000, "email": 10_000_000}
THREADS = 4  # as a server's worker has: while one waits for the disk, another computes
ENGINES = ("sqlite", "postgresql")


class Site:
    """One service with one key and a template for each channel."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self._nowhere = url, (folder / "log").open("w", encoding="utf-8")
        self.database = Database(url)
        self.settings = Settings(database_url=url, gateway_key=_GATEWAY_KEY, data_key=_DATA_KEY)
        migrate.upgrade("services.notify", self.database)
        self.service_id, self.secret = str(uuid.uuid4()), str(uuid.uuid4())
        self.templates = {channel: str(uuid.uuid4()) for channel in ("sms", "email")}
        vault = Vault(self.settings.raw_data_key() or b"")
        self._sealed_key = vault.new_key(self.service_id)
        self.vault = vault.of(self.service_id, self._sealed_key)
        now = datetime.now(UTC)
        key_id = str(uuid.uuid4())
        common: dict[str, Any] = {"service_id": self.service_id, "created_at": now}
        with self.database.transaction() as session:
            session.execute(insert(Service).values(self._service(now)))
            session.execute(
                insert(ApiKey).values(
                    **common,
                    id=key_id,
                    name="bench",
                    key_type="live",
                    sealed_secret=vault.seal(f"api_key/{key_id}", self.secret),
                )
            )
            for channel, id_ in self.templates.items():
                session.execute(
                    insert(Template).values(
                        **common,
                        id=id_,
                        version=1,
                        type=channel,
                        name=channel,
                        subject="Licence ((licence))" if channel == "email" else None,
                        body=_TEXT * (1 if channel == "sms" else 12),
                        is_archived=False,
                        created_by="bench",
                    )
                )

    def _service(self, now: datetime) -> dict[str, Any]:
        return {
            "id": self.service_id,
            "name_id": "bench",
            "name": {"en": "Bench", "dv": "Bench"},
            "is_active": True,
            "country": "MV",
            "permissions": ["sms", "email"],
            "sms_sender": "BENCH",
            "email_sender": "bench",
            "limits": _LIMITS,
            "sealed_key": self._sealed_key,
            "created_at": now,
        }

    def close(self) -> None:
        """Let go of the database and the log."""
        self.database.dispose()
        self._nowhere.close()

    def accept(self, channel: str, count: int) -> tuple[float, float]:
        """Post messages; return how many a second, and how many a second of one core's time."""
        app = create_app(self.settings, database=self.database)
        for handler in logging.getLogger().handlers:
            handler.setStream(self._nowhere)  # type: ignore[attr-defined] (it still writes lines)
        body = json.dumps(self._body(channel)).encode()
        path = f"/v2/notifications/{channel}"

        def post(number: int) -> None:
            token = jwt.encode({"iss": self.service_id, "iat": int(time.time())}, self.secret)
            # the server around it hands over such a dictionary; no client is measured
            environ = EnvironBuilder(path, method="POST").get_environ()
            environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
            environ |= {"HTTP_ATOLL_GATEWAY_KEY": _GATEWAY_KEY}
            environ |= {"HTTP_AUTHORIZATION": f"Bearer {token}"}
            said: list[str] = []
            b"".join(app(environ, lambda status, headers, *_: said.append(status)))
            if said != ["201 CREATED"]:
                raise RuntimeError(f"message {number} was refused: {said}")

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(post, range(20)))
            began, worked = time.perf_counter(), time.process_time()
            list(threads.map(post, range(count)))
            worked = time.process_time() - worked
            return count / (time.perf_counter() - began), count / worked

    def _body(self, channel: str) -> dict[str, Any]:
        to = {"sms": ("phone_number", "7000101"), "email": ("email_address", "a@people.example")}
        name, value = to[channel]
        values = {"licence": "FV-0007", "vessel": "Kandu Koe"}
        return {
            name: value,
            "template_id": self.templates[channel],
            "personalisation": values,
        }

    def fill(self, channel: str, count: int) -> None:
        """Put messages into the queue as the API does, without its checks."""
        body = "Your licence FV-0007 for Kandu Koe is granted. " * (1 if channel == "sms" else 12)
        address = "9607000101" if channel == "sms" else "a@people.example"
        for at in range(0, count, 2000):
            rows = [self._row(channel, address, body) for _ in range(min(2000, count - at))]
            with self.database.transaction() as session:
                notifications.add_all(session, datetime.now(UTC), rows, 0)

    def _row(self, channel: str, address: str, body: str) -> dict[str, Any]:
        new_id = str(uuid.uuid4())
        private = {
            "recipient": address,
            "address": address,
            "reference": None,
            "from": "bench@notify.example" if channel == "email" else "BENCH",
            "subject": "Licence" if channel == "email" else None,
            "body": body,
            "unsubscribe": None,
        }
        return {
            "id": new_id,
            "service_id": self.service_id,
            "key_type": "live",
            "channel": channel,
            "template_id": self.templates[channel],
            "template_version": 1,
            "recipient_index": self.vault.index("recipient", address),
            "reference_index": None,
            "sealed": self.vault.seal(f"notification/{new_id}", private),
            "fragments": 1,
        }

    def drain(self, more: Mapping[str, str], workers: int = 2) -> tuple[float, float, float]:
        """Let workers hand over everything; return messages a second, and MB at half and end."""
        with contextlib.ExitStack() as stack:
            before = self._count(select(func.count()).select_from(WorkerBeat))
            running = [stack.enter_context(self.worker(more)) for _ in range(workers)]
            waiting = (
                select(func.count())
                .select_from(Job)
                .where(Job.kind == "deliver", Job.done_at.is_(None))
            )
            while self._count(select(func.count()).select_from(WorkerBeat)) < before + workers:
                time.sleep(0.02)
            total = left = self._count(waiting)
            began, half = time.perf_counter(), 0.0
            while left:
                time.sleep(0.1)
                left = self._count(waiting)
                if not half and left < total / 2:
                    half = pss_mb([each.pid for each in running])
            seconds = time.perf_counter() - began
            end = pss_mb([each.pid for each in running])
        return total / seconds, half / workers, end / workers

    @contextmanager
    def worker(self, more: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a worker."""
        environment = {
            "PATH": os.environ["PATH"],
            "NOTIFY_DATABASE_URL": self.url,
            "NOTIFY_GATEWAY_KEY": _GATEWAY_KEY,
            "NOTIFY_DATA_KEY": _DATA_KEY,
            "MALLOC_ARENA_MAX": "2",
            **more,
        }
        with started([sys.executable, "-m", "services.notify.worker"], environment) as process:
            yield process

    def failures(self) -> int:
        """Return how many messages were attempted more than once, or not handed over."""
        again = select(func.count()).select_from(DeliveryAttempt).where(DeliveryAttempt.number > 1)
        handed = Notification.status.in_(("delivered", "sending"))
        lost = select(func.count()).select_from(Notification).where(~handed)
        return self._count(again) + self._count(lost)

    def _count(self, query: Any) -> int:
        with self.database.snapshot() as session:
            return session.scalar(query) or 0


@contextmanager
def started(
    command: list[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process and stop it at the end."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def site(engine: str) -> Iterator[Site]:
    """Yield a service on an empty database that writes through to the disk."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atoll-bench-")))
        url = f"sqlite:///{folder / 'notify.db'}"
        if engine == "postgresql":
            server = stack.enter_context(postgres.cluster(durable=True))
            url = stack.enter_context(postgres.empty_database(server))
        made = Site(url, folder)
        stack.callback(made.close)
        yield made


@contextmanager
def mail_sink() -> Iterator[dict[str, str]]:
    """Run the mail sink; yield the settings that send emails there."""
    port = free_port()
    with started([sys.executable, "-m", "bench.smtp_sink", str(port)], os.environ):
        _wait(port)
        yield {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SECURITY": "none"}


@contextmanager
def text_simulator(url: str) -> Iterator[dict[str, str]]:
    """Run the simulator of text providers; yield the settings that send texts there."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "NOTIFY_DATABASE_URL": url,
        "NOTIFY_GATEWAY_KEY": _GATEWAY_KEY,
        "NOTIFY_DATA_KEY": _DATA_KEY,
        "ATOLL_GATEWAY_URL": "http://127.0.0.1:9",  # receipts are not measured here
    }
    command = [sys.executable, "-m", "services.notify.simulator", "--port", str(port)]
    with started(command, environment):
        _wait(port)
        yield {"NOTIFY_SIMULATOR_URL": f"http://127.0.0.1:{port}"}


def _wait(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a process of the measurement did not start")
