"""The gateway as a real process behind its real HTTP server: raw bytes, signals, kills."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway import storage
from gateway.exchanges.checkpoints import Checkpoints, signer_for
from gateway.exchanges.seal import Seal
from gateway.exchanges.verification import Verification
from servicekit import merkle
from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.note import Checkpoint, read_note
from tests.gateway.harness import LOG_KEY, SERVICES
from tests.support.platform import free_port

pytestmark = pytest.mark.process


class Handler(BaseHTTPRequestHandler):
    """Every service at once: answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.path.startswith("/identity/feed"):
            said = {"epoch": "e", "events": [], "last": 0}
        else:
            body = self.rfile.read(length).decode("latin-1")
            said = {"line": self.requestline, "headers": dict(self.headers), "body": body}
        if "slow" in self.path:
            time.sleep(0.3)
        data = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # callers may hang up
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def start(
    folder: Path, upstream: int, port: int, workers: int = 1, *, own_group: bool = False
) -> subprocess.Popen[bytes]:
    environ = os.environ | {
        "ATOLL_GATEWAY_URL": f"http://localhost:{port}",
        "GATEWAY_UPSTREAMS": ",".join(f"{name}=http://127.0.0.1:{upstream}" for name in SERVICES),
        "GATEWAY_SERVICE_KEYS": json.dumps(dict.fromkeys(SERVICES, "k" * 64)),
        "GATEWAY_LOG_KEY": LOG_KEY,
        "GATEWAY_DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "GATEWAY_GATEWAY_KEY": "g" * 64,
        "GATEWAY_LIMIT_FACTOR": "1000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "servicekit.serve", "gateway", "--port", str(port),
         "--workers", str(workers), "--interface", "asgi"],
        env=environ, stdout=subprocess.DEVNULL, start_new_session=own_group,
    )  # fmt: skip
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            if b" 200 " in ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
                return process
        assert process.poll() is None, "the gateway did not start"
        assert time.monotonic() < end, "the gateway did not answer"
        time.sleep(0.05)


def ask(port: int, raw: bytes, host: str = "127.0.0.1") -> bytes:
    """Send raw bytes; return the first answer, or what came before the connection ended."""
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(raw)
        said = b""
        while b"\r\n\r\n" not in said:
            piece = connection.recv(65536)
            if not piece:
                return said
            said += piece
        head, _, body = said.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
             if line.startswith(b"content-length")), 0,
        )  # fmt: skip
        while len(body) < length and not raw.startswith(b"HEAD"):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Iterator[int]:
    port = free_port()
    process = start(tmp_path_factory.mktemp("gateway"), upstream, port)
    yield port
    process.terminate()
    assert process.wait(15) == 0


def test_it_answers_on_both_loopback_addresses(port: int) -> None:
    raw = b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n"
    assert ask(port, raw).startswith(b"HTTP/1.1 200")
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        assert ask(port, raw, "::1").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"GET /registers HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /registers HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
        b"GET /registers HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /registers/../portal/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /registers/%2e%2e/portal HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /portal%2fx HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //portal/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /portal\\x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /registers HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_smuggling_and_tricks_are_refused(port: int, raw: bytes) -> None:
    said = ask(port, raw)
    assert said.startswith(b"HTTP/1.1 400"), said


def test_what_rides_behind_a_body_is_not_a_second_request(port: int) -> None:
    hidden = b"GET /registers/hidden/context HTTP/1.1\r\nHost: x\r\n\r\n"
    raw = (
        b"POST /portal/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(raw)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while piece := connection.recv(65536):
                said += piece
        assert said.startswith(b"HTTP/1.1 ")
        assert said.count(b"HTTP/1.1 2") == 1  # the POST, and nothing after it
        assert b"hidden" not in said


def test_an_absolute_target_names_no_other_host(port: int) -> None:
    said = ask(port, b"GET http://evil.example/registers HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert b"evil" not in said
    assert b"GET /registers HTTP/1.1" in said


def test_a_body_waits_for_leave_and_arrives(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(
            b"POST /portal/x HTTP/1.1\r\nHost: x\r\n"
            b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"hello")
        assert b'"body": "hello"' in connection.recv(65536)


def test_a_slow_answer_leaves_the_connection_usable(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for _ in range(2):
            connection.sendall(b"GET /portal/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_callers_who_hang_up_leave_nothing_behind(port: int) -> None:
    for _ in range(80):  # more than the connections to one service
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /registers/slow/context HTTP/1.1\r\nHost: x\r\n\r\n")
    said = ask(port, b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200")


def test_methods_that_no_route_takes_end_at_the_door(port: int) -> None:
    for method in (b"TRACE", b"OPTIONS", b"DELETE"):
        said = ask(port, method + b" /registers HTTP/1.1\r\nHost: x\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 405"), said
        assert b"allow: GET, HEAD" in said
    assert b"200" not in ask(port, b"CONNECT registers:80 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(port, b"HEAD /registers HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_terminated_gateway_writes_what_it_holds(tmp_path: Path, upstream: int) -> None:
    port = free_port()
    process = start(tmp_path, upstream, port, workers=2)
    for _ in range(30):
        assert b" 200 " in ask(port, b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n")
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    with database.snapshot() as session:
        assert len(storage.list_exchanges(session, limit=100)) == 30
    database.dispose()


@pytest.mark.parametrize("round_", range(3))
def test_a_killed_gateway_leaves_a_log_that_fits_its_heads(
    tmp_path: Path, upstream: int, round_: int
) -> None:
    port = free_port()
    process = start(tmp_path, upstream, port, own_group=True)
    try:
        heads = []
        for n in range(40 + 17 * round_):
            assert b" 200 " in ask(port, b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n")
            if n % 13 == 0:
                said = ask(port, b"GET /exchanges/checkpoint HTTP/1.1\r\nHost: x\r\n\r\n")
                heads.append(said.partition(b"\r\n\r\n")[2].decode())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
    database, seal = Database(f"sqlite:///{tmp_path / 'gateway.db'}"), Seal(b"l" * 32)
    checkpoints = Checkpoints(
        database, signer_for("http://localhost:8000", "", b"l" * 32), SystemClock()
    )
    text, head = checkpoints.to_check_against()
    with database.snapshot() as session:
        report = Verification(session, seal, checkpoints).of_all(head)
        read = storage.read_hashes(session, head.size)
        assert report.fault is None
        assert report.entries == head.size == storage.last_number(session)
        for old in (Checkpoint.parse(read_note(one).text) for one in heads):
            assert old.root == merkle.root_at(old.size, read), "what was signed is still there"
    database.dispose()
    assert text
