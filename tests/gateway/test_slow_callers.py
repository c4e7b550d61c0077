"""Callers who take their time: slow heads, slow bodies, slow readers, many who say nothing."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from servicekit import serve
from tests.gateway.harness import SOAK
from tests.gateway.test_process import ask, port, upstream

pytestmark = pytest.mark.process
__all__ = ["port", "upstream"]  # fixtures
IDLE = 1_200  # more than the 1,024 that the server would take without our limit
ORDINARY = b"GET /registers HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted + serve.RESERVE:
        pytest.skip(f"this machine lets a process open {hard} files; the test needs {wanted}")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def saying(port: int, raw: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have said this and say no more."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stack.callback(connection.close)
            connection.sendall(raw)
            connections.append(connection)
        yield connections


def served(port: int, raw: bytes = ORDINARY) -> float:
    """Make an ordinary call; return its seconds."""
    began = time.monotonic()
    assert ask(port, raw).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "raw",
    [b"", b"GET /registers HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["nothing at all", "half a head"],
)
def test_many_who_say_little_keep_nobody_out(port: int, raw: bytes) -> None:
    with saying(port, raw, IDLE):
        for _ in range(5):
            assert served(port) < 4


def test_many_slow_bodies_keep_nobody_out(port: int) -> None:
    small = b"POST /portal/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nslow"
    large = b"POST /portal/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\nslow"
    with saying(port, small, 150), saying(port, large, 150) as connections:
        assert served(port, b"GET /portal/x HTTP/1.1\r\nHost: x\r\n\r\n") < 4
        assert served(port) < 4
        refused = 0
        for connection in connections:  # a service keeps connections for those who read
            connection.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                said = connection.recv(65536)
                assert said.startswith(b"HTTP/1.1 503")
                assert b"too many uploads" in said
                refused += 1
        assert refused >= 100


def test_a_head_that_does_not_end_is_given_up(port: int) -> None:
    within_s = serve.HEAD_WITHIN_MS / 1000
    if not SOAK:
        assert within_s <= 15  # the wait itself is tested by `make soak`
        return
    with saying(port, b"GET /registers HTTP/1.1\r\nX-Slow: ", 1) as [connection]:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < within_s * 2:
                connection.sendall(b"a")  # a byte now and then does not help
                connection.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(100):
                        break
        assert time.monotonic() - began < within_s * 1.5
