"""Restarting the gateway's workers, and stopping it, while calls come and go."""

import contextlib
import http.client
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit import handover
from tests.gateway.harness import SOAK
from tests.gateway.test_process import ask, start, upstream
from tests.support.platform import free_port

pytestmark = pytest.mark.process
__all__ = ["upstream"]  # a fixture
PATH = "/registers/island/records/K"


class Callers:
    """Threads that call without a pause, some over kept connections, some over new ones."""

    def __init__(self, port: int, hosts: tuple[str, ...]) -> None:
        self.answered: Counter[int] = Counter()
        self.failed: list[str] = []
        self._port, self._stop = port, threading.Event()
        calls = (self._keep, self._anew, self._now_and_then)
        self._threads = [
            threading.Thread(target=call, args=(host,)) for host in hosts for call in calls
        ]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _call(self, connection: http.client.HTTPConnection) -> bool:
        try:
            connection.request("GET", PATH)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as fault:
            self.failed.append(repr(fault))
            return False
        self.answered[answer.status] += 1
        return not answer.will_close

    def _keep(self, host: str, pause_s: float = 0) -> None:
        connection, kept = None, False
        while not self._stop.is_set():
            if connection is None or not kept:
                connection = http.client.HTTPConnection(host, self._port, timeout=10)
            kept = self._call(connection)
            if not kept:
                connection.close()
            self._stop.wait(pause_s)
        if connection is not None:
            connection.close()

    def _now_and_then(self, host: str) -> None:
        self._keep(host, 0.3)

    def _anew(self, host: str) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection(host, self._port, timeout=10)
            self._call(connection)
            connection.close()


def children(parent: int) -> set[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in shown.stdout.splitlines()]
    return {pid for pid, of in pairs if of == parent}


def wait_for(holds: Callable[[], bool], within_s: float = 40) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def replace_workers(process: subprocess.Popen[bytes], workers: int) -> None:
    before = children(process.pid)
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(now := children(process.pid)) == workers and not now & before)


def hosts() -> tuple[str, ...]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return ("127.0.0.1", "::1")
    return ("127.0.0.1",)


def can_steer() -> bool:
    with socket.socket() as probe:
        if not hasattr(socket, "SO_REUSEPORT"):
            return False
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        return handover.steer_to(probe, 9)


@contextlib.contextmanager
def gateway(
    folder: Path, upstream: int, workers: int = 1
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    process = start(folder, upstream, port, workers)
    try:
        yield port, process
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(not can_steer(), reason="this kernel does not steer connections (Linux does)")
def test_no_call_fails_while_workers_are_replaced_under_load(tmp_path: Path, upstream: int) -> None:
    workers = 2 if SOAK else 1
    with gateway(tmp_path, upstream, workers) as (port, process), Callers(port, hosts()) as callers:
        for _ in range(10 if SOAK else 1):
            replace_workers(process, workers)
        served = sum(callers.answered.values())
        wait_for(lambda: sum(callers.answered.values()) > served + 50)
    assert callers.failed == []
    assert set(callers.answered) == {200}


TABLE = """routes:
  - {path: /healthz, methods: [GET], service: gateway, quiet: true}
  - {path: /registers, methods: [GET], service: registers, quiet: true}
"""
REGISTERS = b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_faulty_table_or_worker_never_ends_the_service(
    tmp_path: Path, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "routes.yaml"
    table.write_text(TABLE)
    monkeypatch.setenv("GATEWAY_ROUTES_FILE", str(table))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with gateway(tmp_path, upstream) as (port, process):
        table.write_text("routes: [{path: /registers}]")
        replace_workers(process, 1)  # the last good table serves in the new one
        assert b" 200 " in ask(port, REGISTERS)

        before = children(process.pid)
        [good] = tmp_path.glob("atoll-*/routes.yaml")
        good.unlink()
        process.send_signal(signal.SIGHUP)  # the new worker cannot start at all
        wait_for(lambda: len(children(process.pid)) == 2)
        wait_for(lambda: children(process.pid) == before)
        assert b" 200 " in ask(port, REGISTERS)
    assert process.returncode == 0
    assert not list(tmp_path.glob("atoll-*"))  # nothing is left behind


def test_calls_under_way_are_finished_before_it_ends(tmp_path: Path, upstream: int) -> None:
    with gateway(tmp_path, upstream) as (port, process):
        answers: list[bytes] = []

        def slow() -> None:
            answers.append(ask(port, b"GET /portal/slow HTTP/1.1\r\nHost: x\r\n\r\n"))

        threads = [threading.Thread(target=slow) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.15)  # a slow answer takes 0.3 s
        process.terminate()
        for thread in threads:
            thread.join(10)
        assert process.wait(15) == 0
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 8
