"""Killed with -9 at the worst moments, as real processes: nothing lost, nothing twice."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select, update

from servicekit import migrate
from servicekit.clock import SystemClock
from servicekit.database import Database
from services.notify.app import create_app
from services.notify.settings import Settings
from services.notify.storage.tables import (
    DeliveryAttempt,
    InboxMessage,
    Job,
    Notification,
    WorkerBeat,
)
from tests.conftest import GATEWAY_KEY
from tests.notify import simulating
from tests.notify.conftest import SMS, Api, prepare, settings, signed
from tests.support import postgres
from tests.support.clock import FakeClock

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
KILLS = 25 if os.environ.get("ATOLL_SOAK") else 3


def environ(made: Settings) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "NOTIFY_DATABASE_URL": made.database_url,
        "NOTIFY_GATEWAY_KEY": made.gateway_key,
        "NOTIFY_DATA_KEY": made.data_key,
        "NOTIFY_START_STATE": made.start_state or "",
        "NOTIFY_LEASE_S": "0.3",
        "NOTIFY_POLL_S": "0.02",
    }


@contextlib.contextmanager
def running(made: Settings, *arguments: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environ(made) | more,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)


class Now(FakeClock):
    """The machine's clock, in the shape that signing wants."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now())


@pytest.fixture
def live(store: Database) -> Api:
    """The service in process on the machine's clock, sharing its file with real workers."""
    return Api(create_app(settings(store), database=store).test_client(), Now())


def count(store: Database, table: type[Any]) -> int:
    with store.snapshot() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_worker_killed_between_claim_and_settlement_loses_and_doubles_nothing(
    live: Api, store: Database, tmp_path: Path, point: str
) -> None:
    made = settings(store)
    sent = live.sms().json["id"]
    for number in range(KILLS):
        marker = tmp_path / f"reached-{number}"
        with running(made, "-m", "tests.notify.dying", "worker", point, str(marker)) as process:
            until(marker.exists)
            process.send_signal(signal.SIGKILL)
    assert live.status(sent) == "sending"
    with running(made, "-m", "services.notify.worker") as process:
        until(lambda: live.status(sent) == "delivered")
        process.terminate()
        assert process.wait(10) == 0
    assert count(store, InboxMessage) == 1
    assert count(store, DeliveryAttempt) == KILLS + 1
    with store.snapshot() as session:
        assert session.scalars(select(Job.attempts)).all() == [KILLS + 1]


@pytest.mark.parametrize("point", ["after-claim", "before-call", "after-call", "before-settling"])
def test_a_text_survives_a_worker_killed_at_any_point_and_is_taken_once(
    live: Api, store: Database, tmp_path: Path, point: str
) -> None:
    with simulating.running() as simulator:
        made = settings(store, simulator_url=simulator.url)
        more = {"NOTIFY_SIMULATOR_URL": simulator.url, "NOTIFY_LEASE_S": "10"}
        texts = []
        for number in range(KILLS):
            texts.append(live.sms().json["id"])
            marker = tmp_path / f"reached-{number}"
            arguments = ("-m", "tests.notify.dying", "texting", point, str(marker))
            with running(made, *arguments, **more) as process:
                until(marker.exists)
                process.send_signal(signal.SIGKILL)
            _let_leases_end(store)
        with running(made, "-m", "services.notify.worker", **more) as process:
            until(lambda: all(live.status(each) == "sending" for each in texts))
            until(lambda: _open_deliveries(store) == 0)
            process.terminate()
            assert process.wait(10) == 0
        # none lost; none twice either, since a provider that may have it is asked first
        assert sum(simulator.taken().values()) == KILLS
        repeated = sum(each.repeated for each in simulator.simulator.providers.values())
        assert repeated == 0


def _let_leases_end(store: Database) -> None:
    with store.transaction() as session:
        session.execute(update(Job).values(due_at=SystemClock().now()))


def _open_deliveries(store: Database) -> int:
    waiting = select(func.count()).select_from(Job).where(Job.kind == "deliver")
    with store.snapshot() as session:
        return session.scalar(waiting.where(Job.done_at.is_(None))) or 0


@pytest.mark.postgres
def test_several_workers_on_postgresql_send_nothing_twice(postgres_server: str) -> None:
    with postgres.empty_database(postgres_server) as url, simulating.running() as simulator:
        database = Database(url)
        made = prepare(database)
        app = create_app(made, database=database)
        api = Api(app.test_client(), Now())
        rows = [["phone number", "licence", "vessel"], *[["7000101", n, "X"] for n in range(300)]]
        body = {"name": "many", "template_id": SMS["template_id"], "rows": rows}
        assert api.call("POST", "/v2/notifications/bulk", body).status_code == 201
        more = {"NOTIFY_SIMULATOR_URL": simulator.url, "NOTIFY_LEASE_S": "10", "NOTIFY_BATCH": "10"}
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(running(made, "-m", "services.notify.worker", **more))
            until(lambda: _open_deliveries(database) == 0)
        assert sum(simulator.taken().values()) == 300
        assert sum(each.repeated for each in simulator.simulator.providers.values()) == 0
        with database.snapshot() as session:
            attempts = session.scalar(select(func.count()).select_from(DeliveryAttempt))
        assert attempts == 300
        database.dispose()


def test_an_api_killed_after_its_commit_does_not_double_a_retried_message(store: Database) -> None:
    made = settings(store)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def send(**headers: str) -> requests.Response:
        return requests.post(
            f"http://127.0.0.1:{port}/v2/notifications/sms",
            json=SMS,
            headers={
                "Atoll-Gateway-Key": GATEWAY_KEY,
                "Authorization": f"Bearer {signed(Now())}",
                **headers,
            },
            timeout=10,
        )

    def is_up() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
        return False

    for number in range(KILLS):
        once = {"Idempotency-Key": f"application-{number}"}
        with running(made, "-m", "tests.notify.dying", "api", str(port)):
            until(is_up)
            with pytest.raises(requests.ConnectionError):
                send(Die="now", **once)
        assert count(store, Notification) == number + 1
        with running(made, "-m", "tests.notify.dying", "api", str(port)):
            until(is_up)
            answers = [send(**once), send(**once)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert count(store, Notification) == count(store, Job) == number + 1


def test_a_worker_waits_for_the_tables_and_never_makes_them(sqlite: Database) -> None:
    made = settings(sqlite)
    with running(made, "-m", "services.notify.worker") as process:
        time.sleep(1)
        assert process.poll() is None
        with sqlite.engine.connect() as connection:
            assert not sqlite.engine.dialect.has_table(connection, "job")
        migrate.upgrade("services.notify", sqlite)
        migrate.load_start_state("services.notify", made, sqlite)
        api = Api(create_app(made, database=sqlite).test_client(), Now())
        sent = api.sms().json["id"]
        until(lambda: api.status(sent) == "delivered")


def test_a_supervised_worker_ends_with_its_parent(store: Database) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'services.notify.worker'])\n"
        "time.sleep(60)\n"
    )
    with running(settings(store), "-c", parent, ATOLL_SUPERVISED="1") as process:
        found = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not found.exists():
            pytest.skip("the children of a process are read from /proc, which is Linux's")
        until(lambda: count(store, WorkerBeat) == 1)
        child = Path(f"/proc/{found.read_text().split()[0]}")
        assert child.exists()
        process.kill()
        process.wait()
        until(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


def test_wrong_settings_stop_the_worker_with_every_fault() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.notify.worker"],
        env={"PATH": os.environ["PATH"], "NOTIFY_BATCH": "many"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    assert "NOTIFY_DATA_KEY is required" in done.stderr
    assert "NOTIFY_BATCH cannot be read" in done.stderr


def test_the_worker_loads_only_what_it_needs() -> None:
    script = (
        "import sys, services.notify.worker\n"
        "heavy = {'flask', 'jwt', 'requests', 'jsonschema', 'yaml', 'alembic', 'smtplib'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
