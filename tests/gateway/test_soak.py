"""Mixed load for a while: memory stays flat, every call is in the log, nobody waits longer.

A few seconds in `make test`, fifteen minutes in `make soak`.
"""

import http.client
import statistics
import subprocess
import threading
import time
from collections import Counter, defaultdict
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.storage.exchanges import Exchange
from servicekit.database import Database
from tests.gateway.harness import SOAK
from tests.gateway.test_handover import children, gateway
from tests.gateway.test_process import upstream

pytestmark = pytest.mark.process
__all__ = ["upstream"]  # a fixture
LASTS_S = 900 if SOAK else 5
CALLERS = 8
GROWS_AT_MOST_KB = 48 * 1024
# method, target, body, whether it is recorded
MIX = (
    ("GET", "/registers/island/records/K-Thulusdhoo", b"", True),
    ("GET", "/registers/island/records?limit=5", b"", True),
    ("GET", "/portal/page", b"", False),
    ("POST", "/identity/token", b"grant_type=client_credentials", True),
    ("POST", "/portal/form", b"x" * 20_000, False),
    ("POST", "/portal/upload", b"x" * 300_000, False),
    ("GET", "/registers/island/records/%zz", b"", False),  # refused before any route
    ("GET", "/exchanges", b"", False),  # refused: no token
    ("HEAD", "/registers", b"", True),
)


def memory_kb(pids: set[int]) -> int:
    """The resident memory of these processes."""
    named = ",".join(map(str, pids))
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", named], capture_output=True, text=True, check=True
    )
    return sum(map(int, shown.stdout.split()))


class Mixed:
    """Callers that go round the mix over kept connections."""

    def __init__(self, port: int) -> None:
        self._port, self._stop = port, threading.Event()
        self.statuses: Counter[int] = Counter()
        self.recorded = 0
        self.failed: list[str] = []
        self.times_s: dict[int, list[float]] = defaultdict(list)  # by the slice of the time
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._threads = [threading.Thread(target=self._run, args=(at,)) for at in range(CALLERS)]

    def run(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        self._stop.wait(seconds)
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, at: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        mix = cycle(MIX[at % len(MIX) :] + MIX[: at % len(MIX)])
        while not self._stop.is_set():
            method, target, body, recorded = next(mix)
            began = time.monotonic()
            try:
                connection.request(method, target, body or None)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as fault:
                self.failed.append(repr(fault))
                connection.close()
                continue
            with self._lock:
                self.statuses[answer.status] += 1
                self.recorded += recorded
                part = int((began - self._began) / LASTS_S * 10)
                self.times_s[part].append(time.monotonic() - began)
        connection.close()


def p99(times_s: list[float]) -> float:
    return statistics.quantiles(times_s, n=100)[98]


def test_mixed_load_leaves_memory_flat_and_every_call_in_the_log(
    tmp_path: Path, upstream: int
) -> None:
    with gateway(tmp_path, upstream) as (port, process):
        warm = Mixed(port)
        warm.run(LASTS_S / 5)
        before_kb = memory_kb(children(process.pid))
        load = Mixed(port)
        load.run(LASTS_S)
        grown_kb = memory_kb(children(process.pid)) - before_kb
    assert warm.failed == load.failed == []
    assert set(load.statuses) == {200, 400, 401}
    assert grown_kb < GROWS_AT_MOST_KB, f"{grown_kb} KB more after {sum(load.statuses.values())}"
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    with database.snapshot() as session:
        logged = session.scalar(select(func.count()).select_from(Exchange))
    database.dispose()
    assert logged == warm.recorded + load.recorded
    if SOAK:
        assert p99(load.times_s[8] + load.times_s[9]) < 2 * p99(load.times_s[0] + load.times_s[1])
