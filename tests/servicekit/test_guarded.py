"""The one way out: hostile addresses are refused, hostile answers end in time."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.guarded import AddressRefused, NotReached, check_address, fetch

PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001::1", "2001:db8::1"),
    *("fe80::1", "fec0::1", "fd00::1", "ff02::1", "5f00::1", "3fff::1"),
]


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let every name lead to these addresses in turn; remember the names and what was called."""

    def install(*answers: str) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, *args: object, **options: object) -> object:
            asked.append(host)
            given_ip = answers[min(len(asked), len(answers)) - 1]
            literal = host if _is_ip(host) else given_ip
            family = socket.AF_INET6 if ":" in literal else socket.AF_INET
            end = (literal, port or 0, 0, 0) if ":" in literal else (literal, port or 0)
            return [(family, socket.SOCK_STREAM, 6, "", end)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


def _is_ip(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record where a connection would go, and let none be made."""
    calls: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        calls.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return calls


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_refused_before_any_connection(
    address: str, resolve_to: Callable[..., list[str]], no_connections: list[object]
) -> None:
    resolve_to(address)
    with pytest.raises(AddressRefused, match="private network"):
        fetch("https://follower.example/hook")
    assert no_connections == []


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_written_out_is_refused(
    address: str, no_connections: list[object]
) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises((AddressRefused, NotReached)):
        fetch(f"https://{host}/")
    assert no_connections == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "LOCALHOST."]
)
def test_other_ways_to_write_loopback_are_refused(host: str, no_connections: list[object]) -> None:
    with pytest.raises((AddressRefused, NotReached)):
        fetch(f"https://{host}/")
    assert no_connections == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", *PRIVATE])
def test_a_private_address_is_refused_where_it_is_registered(host: str) -> None:
    with pytest.raises(AddressRefused, match="private network"):
        check_address(f"https://[{host}]/hook" if ":" in host else f"https://{host}/hook")


def test_the_address_is_resolved_once_and_pinned(
    resolve_to: Callable[..., list[str]], no_connections: list[object]
) -> None:
    asked = resolve_to("93.184.215.14", "127.0.0.1")  # a name that changes its mind
    with pytest.raises(NotReached):
        fetch("https://follower.example/hook")
    assert [name for name in asked if not _is_ip(name)] == ["follower.example"]
    assert no_connections == [("93.184.215.14", 443)]


@pytest.mark.parametrize(
    "address",
    [
        "http://follower.example/",
        "ftp://follower.example/",
        "file:///etc/passwd",
        "gopher://follower.example/",
        "//follower.example/",
        "follower.example",
        "",
        "https://",
        "https:///path",
        "https://user:pw@follower.example/",
        "https://follower.example@127.0.0.1/",
        "https://follower.example\\@127.0.0.1/",
        "https://follower.example/#part",
        "https://follower.example:22/",
        "https://follower.example:0/",
        "https://follower.example:99999/",
        "https://follower.example:x/",
        "https://follower.example /",
        "https://follower.example/\r\nHost: x",
        "https://[::1/",
        "https://fe80::1%25eth0/",
        "https://[fe80::1%eth0]/",
        "https://ｅxample.com/",
        "https://follower.example/" + "a" * 2000,
    ],
)
def test_addresses_of_another_shape_are_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(address, {"localhost"})


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_is_ever_an_error_of_ours(text: str) -> None:
    for address in (text, f"https://{text}"):
        try:
            check_address(address)
        except AddressRefused:
            continue


@settings(deadline=None)
@given(st.ip_addresses())
def test_an_address_that_python_calls_not_global_is_never_called(address: object) -> None:
    import ipaddress

    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    if address.is_global and not address.is_multicast:
        return
    host = f"[{address}]" if address.version == 6 else str(address)
    with pytest.raises((AddressRefused, NotReached)):
        fetch(f"https://{host}/", seconds=0.2)


def test_only_get_and_post_are_sent() -> None:
    with pytest.raises(ValueError, match="DELETE"):
        fetch("https://follower.example/", method="DELETE")


# -- against a real server on a declared test host


@contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = handle_any  # noqa: N815 (http.server's names)

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    with ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield f"127.0.0.1:{server.server_port}"


def plain(handler: http.server.BaseHTTPRequestHandler, body: bytes, **headers: str) -> None:
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_declared_test_host_is_called_with_headers_and_body() -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        seen.append((handler.command, handler.headers.get("X-Signature"), body))
        plain(handler, b'{"fine": true}')

    with serving(answer) as host:
        posted = fetch(
            f"http://{host}/hook",
            method="POST",
            headers={"X-Signature": "s"},
            body=b"logout_token=t",
            test_hosts={host},
        )
        fetch(f"http://{host.replace('127.0.0.1', 'localhost')}/", test_hosts={"localhost"})
    assert (posted.status, posted.json()) == (200, {"fine": True})
    assert seen == [("POST", "s", b"logout_token=t"), ("GET", None, b"")]


def test_another_port_of_the_test_host_stays_closed() -> None:
    with pytest.raises(AddressRefused):
        fetch("http://127.0.0.1:9/", test_hosts={"127.0.0.1:10"})


def test_a_test_host_may_lead_to_loopback_only(
    resolve_to: Callable[..., list[str]], no_connections: list[object]
) -> None:
    resolve_to("93.184.215.14")
    with pytest.raises(AddressRefused):
        fetch("http://localhost:9000/", test_hosts={"localhost"})
    assert no_connections == []


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    paths: list[str] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        handler.send_response(302)
        handler.send_header("Location", "/secret")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with serving(answer) as host:
        assert fetch(f"http://{host}/hook", test_hosts={host}).status == 302
    assert paths == ["/hook"]


def test_an_answer_that_is_too_large_is_not_read_on() -> None:
    with serving(lambda handler: plain(handler, b"x" * 2000)) as host:
        assert len(fetch(f"http://{host}/", test_hosts={host}, limit_bytes=2000).body) == 2000
        with pytest.raises(NotReached):
            fetch(f"http://{host}/", test_hosts={host}, limit_bytes=1999)


def test_a_compressed_answer_is_refused() -> None:
    with (
        serving(lambda handler: plain(handler, b"\x1f\x8b", Content_Encoding="gzip")) as host,
        pytest.raises(NotReached),
    ):
        fetch(f"http://{host}/", test_hosts={host})


@pytest.mark.parametrize("where", ["head", "body", "silence"])
def test_a_slow_drip_ends_at_the_deadline(where: str) -> None:
    over = threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        start = b"HTTP/1.1 200 OK\r\n"
        start += b"X: " if where == "head" else b"Content-Length: 99999\r\n\r\n"
        if where != "silence":
            handler.wfile.write(start)
        while not over.wait(0.05):
            if where != "silence":
                handler.wfile.write(b"x")

    with serving(answer) as host:
        began = time.monotonic()
        with pytest.raises(NotReached):
            fetch(f"http://{host}/", test_hosts={host}, seconds=0.4)
        assert time.monotonic() - began < 5
        over.set()


def test_proxies_of_the_environment_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with serving(lambda handler: plain(handler, b"fine")) as host:
        assert fetch(f"http://{host}/", test_hosts={host}).body == b"fine"


def test_json_that_cannot_be_read_is_a_value_error() -> None:
    deep = b"[" * 100_000
    with serving(lambda handler: plain(handler, deep)) as host:
        answer = fetch(f"http://{host}/", test_hosts={host})
    with pytest.raises(ValueError, match="nested"):
        answer.json()
