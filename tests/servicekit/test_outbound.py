"""A service's own calls: token kept and renewed, trace passed on, failures in plain words."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from servicekit import trace
from servicekit.outbound import Corridor, Refused
from servicekit.problems import BadGateway, GatewayTimeout, Unavailable


class FakeGateway:
    """A real HTTP server that answers from a script and remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, tuple[int, bytes]] = {
            "/identity/token": (200, b'{"access_token": "t1", "expires_in": 900}')
        }
        self.hang = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                outer.bodies.append(self.rfile.read(length))
                outer.seen.append((self.command, self.path, dict(self.headers)))
                if self.path == "/hang":
                    outer.hang.wait(5)
                status, body = outer.answers.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 (http.server's names)

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    yield gateway
    gateway.close()


class Ticking:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.fixture
def corridor(gateway: FakeGateway, ticking: Ticking) -> Iterator[Corridor]:
    corridor = Corridor(gateway.url, "portal", "s3cret", timeout_s=0.5, monotonic=ticking)
    yield corridor
    corridor.close()


def test_a_call_carries_a_token_and_the_trace(gateway: FakeGateway, corridor: Corridor) -> None:
    gateway.answers["/registers/island/records"] = (200, b"[1]")
    started = trace.start()
    token = trace.current.set(started)
    try:
        answer = corridor.call(
            "GET", "/registers/island/records", service="registers", scope="registers.read"
        )
    finally:
        trace.current.reset(token)
    assert answer.json() == [1]
    headers = gateway.seen[-1][2]
    assert headers["Authorization"] == "Bearer t1"
    assert headers["traceparent"].split("-")[1] == started.trace_id
    assert headers["traceparent"].split("-")[2] != started.span_id


def test_a_token_is_kept_and_renewed_early(
    gateway: FakeGateway, corridor: Corridor, ticking: Ticking
) -> None:
    for ticking.now in (0, 100, 299):
        corridor.token("registers", "registers.read")
    assert len(gateway.seen) == 1
    ticking.now = 301
    corridor.token("registers", "registers.read")
    assert len(gateway.seen) == 2


def test_ten_minutes_without_identity_hurt_nobody(
    gateway: FakeGateway, corridor: Corridor, ticking: Ticking
) -> None:
    corridor.token("registers", "registers.read")
    gateway.answers["/identity/token"] = (503, b"{}")
    for ticking.now in (301, 860):
        assert corridor.token("registers", "registers.read") == "t1"
    ticking.now = 880
    with pytest.raises(Unavailable):
        corridor.token("registers", "registers.read")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b'{"detail": "Nothing is here."}', Refused),
        (403, b"not json", Refused),
        (403, b"[]", Refused),
        (500, b"{}", BadGateway),
        (502, b"{}", BadGateway),
        (503, b"{}", Unavailable),
        (504, b"{}", GatewayTimeout),
    ],
)
def test_failures_become_problems(
    gateway: FakeGateway, corridor: Corridor, status: int, body: bytes, kind: type[Exception]
) -> None:
    gateway.answers["/x"] = (status, body)
    with pytest.raises(kind):
        corridor.call("GET", "/x", service="registers", scope="registers.read")


def test_a_refusal_keeps_the_others_own_words(gateway: FakeGateway, corridor: Corridor) -> None:
    gateway.answers["/x"] = (403, b'{"detail": "Ask the person again.", "type": "t/consent"}')
    with pytest.raises(Refused) as caught:
        corridor.send("GET", "/x")
    assert caught.value.status == 403
    assert caught.value.detail == "Ask the person again."
    assert caught.value.problem["type"] == "t/consent"


def test_a_gateway_that_hangs_is_left_in_time(corridor: Corridor) -> None:
    with pytest.raises(GatewayTimeout):
        corridor.send("GET", "/hang")


def test_a_gateway_that_is_away_is_said_to_be_so() -> None:
    corridor = Corridor("http://127.0.0.1:9", "portal", "s3cret")
    with pytest.raises(Unavailable, match="cannot be reached"):
        corridor.send("POST", "/x")
    corridor.close()


def test_only_reads_are_tried_twice(gateway: FakeGateway, corridor: Corridor) -> None:
    class Breaking:
        tries = 0

        def request(self, *args: Any, **options: Any) -> Any:
            import requests

            self.tries += 1
            raise requests.ConnectionError

        def close(self) -> None: ...

    for method, tries in (("GET", 2), ("POST", 1)):
        breaking = Breaking()
        broken = Corridor(gateway.url, "portal", "s3cret", http=breaking)  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            broken.send(method, "/x")
        assert breaking.tries == tries


def test_a_persons_token_is_exchanged_for_one_service_and_kept_for_a_minute(
    gateway: FakeGateway, corridor: Corridor, ticking: Ticking
) -> None:
    for ticking.now in (0, 30, 59):
        assert corridor.on_behalf("persons", "registers", "registers.read") == "t1"
    assert len(gateway.seen) == 1
    asked = parse_qs(gateway.bodies[0].decode())
    assert asked["subject_token"] == ["persons"]
    assert asked["resource"] == ["urn:atoll:registers"]
    assert gateway.seen[0][2]["Authorization"].startswith("Basic ")
    corridor.on_behalf("anothers", "registers", "registers.read")
    corridor.on_behalf("persons", "notify", "notify.inbox")
    assert len(gateway.seen) == 3
    ticking.now = 61
    corridor.on_behalf("persons", "registers", "registers.read")
    assert len(gateway.seen) == 4


def test_a_token_about_to_expire_is_exchanged_each_time(
    gateway: FakeGateway, corridor: Corridor
) -> None:
    gateway.answers["/identity/token"] = (200, b'{"access_token": "t2", "expires_in": 20}')
    for _ in range(2):
        assert corridor.on_behalf("persons", "registers", "registers.read") == "t2"
    assert len(gateway.seen) == 2


def test_an_exchange_that_identity_refuses_is_said_in_its_words(
    gateway: FakeGateway, corridor: Corridor
) -> None:
    gateway.answers["/identity/token"] = (
        400,
        b'{"error": "invalid_request", "error_description": "The sign-in has ended."}',
    )
    with pytest.raises(Refused, match="The sign-in has ended"):
        corridor.on_behalf("persons", "registers", "registers.read")
