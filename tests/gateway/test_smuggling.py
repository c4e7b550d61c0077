"""Raw bytes at the real server: requests that two programs could read in two ways.

Each case is sent with a second, hidden request behind it. Either the whole is refused, or it is one
request and no more: what was hidden must never reach a service.
"""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from tests.gateway.test_process import ask, port, upstream

pytestmark = pytest.mark.process
__all__ = ["port", "upstream"]  # fixtures
HIDDEN = b"GET /registers/hidden/context HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /portal/x HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /registers HTTP/1.1\r\nHost: x\r\n"


def exchange(port: int, raw: bytes, wait_s: float = 0.4) -> bytes:
    """Send raw bytes; return all that comes until the other side ends or is silent."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(raw)
        connection.settimeout(wait_s)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                said += piece
    return said


LENGTHS = [
    b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
    b"Content-Length: 5, 5\r\n\r\n",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 0x5\r\n\r\n",
    b"Content-Length: 5 5\r\n\r\n",
    b"Content-Length: \xb2\r\n\r\n",
    b"Content-Length: 18446744073709551621\r\n\r\n",
    b"Content_Length: 50\r\n\r\n",
    b"Content-Length : 5\r\n\r\n",
    b" Content-Length: 5\r\n\r\n",
    b"Content-Length\r\n: 5\r\n\r\n",
    b"Content-Length:\r\n 5\r\n\r\n",
]
ENCODINGS = [
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    b"X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\x00\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]
CHUNKS = [
    b"5;name=value\r\nabcde\r\n0\r\n\r\n",
    b"5;" + b"a" * 20_000 + b"\r\nabcde\r\n0\r\n\r\n",
    b"5;a\nabcde\r\n0\r\n\r\n",
    b"5\nabcde\n0\n\n",
    b"5 \r\nabcde\r\n0\r\n\r\n",
    b"+5\r\nabcde\r\n0\r\n\r\n",
    b"0x5\r\nabcde\r\n0\r\n\r\n",
    b"5\r\nabcdeXX0\r\n\r\n",
    b"5\r\nabcde\r\n0\r\nAtoll-Caller: spoof\r\n\r\n",
    b"5\r\nabcde\r\n0\r\nX: a\r\n folded\r\n\r\n",
    b"ffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
    b"g\r\nabcde\r\n0\r\n\r\n",
    b"-1\r\n\r\n0\r\n\r\n",
]


def cases() -> Iterator[bytes]:
    for method, tail in product((POST, GET), LENGTHS + ENCODINGS):
        yield method + tail
    for chunks in CHUNKS:
        yield POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


def leak(said: bytes) -> str | None:
    """Say what is wrong with the answers to one case; None where nothing is."""
    answers = said.count(b"HTTP/1.1 ")
    if b"spoof" in said:
        return "a header of the door came through"
    if answers > 2:
        return "more answers than requests"
    if answers == 1 and b"GET /registers/hidden" in said:
        return "the hidden request was answered alone"
    if answers == 2:  # the second one stood in the open, so the first must have been whole
        first = said[said.index(b"HTTP/1.1 ") + 9 :]
        if first[:3] != b"200" or not (b'"body": ""' in first or b'"body": "abcde"' in first):
            return "an answer after a request that was not understood"
    return None


def test_nothing_is_hidden_behind_a_body(port: int) -> None:
    raws = list(cases())
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda raw: exchange(port, raw + HIDDEN), raws))
    wrong = [
        (fault, raw, said)
        for raw, said in zip(raws, answers, strict=True)
        if (fault := leak(said)) is not None
    ]
    assert wrong == []
    refused = sum(said.startswith(b"HTTP/1.1 400") for said in answers)
    assert refused > len(raws) // 2
    assert b" 200 " in ask(port, GET + b"\r\n")  # and the door is none the worse


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b"GET /registers HTTP/1.1\nHost: x\n\n", (b"200", b"400")),  # bare line feeds
        (b"GET  /registers HTTP/1.1\r\nHost: x\r\n\r\n", (b"400",)),
        (b"GET\t/registers\tHTTP/1.1\r\nHost: x\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/1.1 \r\nHost: x\r\n\r\n", (b"400",)),
        (b"GET /registers\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/0.9\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/2.0\r\nHost: x\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/1.1\r\nNo colon\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/1.1\r\n: empty\r\n\r\n", (b"400",)),
        (b"GET /registers HTTP/1.1\r\nHost: x\r\nX\x01: a\r\n\r\n", (b"400",)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (b"400", b"")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (b"400", b"")),
        (b"GET /registers HTTP/1.1\r\nHost: x\r\nExpect: weird\r\n\r\n", (b"200", b"417")),
    ],
)  # fmt: skip
def test_what_is_not_exactly_http_is_not_forwarded(
    port: int, raw: bytes, statuses: tuple[bytes, ...]
) -> None:
    assert exchange(port, raw)[9:12] in statuses


def test_an_old_client_is_answered_and_its_connection_kept_only_if_it_asks(port: int) -> None:
    said = exchange(port, b"GET /registers HTTP/1.0\r\n\r\n" + HIDDEN)
    assert said.count(b"HTTP/1.0 200") + said.count(b"HTTP/1.1 200") == 1
    assert b"hidden" not in said
    kept = b"GET /registers HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    said = exchange(port, kept + kept)
    assert said.count(b" 200 OK") in (1, 2)
    chunked = b"POST /portal/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b"GET /registers/hidden" not in exchange(port, chunked + HIDDEN)


def test_requests_in_a_row_get_answers_in_a_row(port: int) -> None:
    ten = b"".join(b"GET /portal/%d HTTP/1.1\r\nHost: x\r\n\r\n" % at for at in range(10))
    said = exchange(port, ten, wait_s=1)
    places = [said.index(b"GET /portal/%d HTTP/1.1" % at) for at in range(10)]
    assert places == sorted(places)
    assert said.count(b"HTTP/1.1 200") == 10


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /registers?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET /registers?" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"4"),
        (GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (GET + b"X: " + b"a" * 200_000 + b"\r\n\r\n", b"431"),
        (GET + b"X: a\r\n" * 5_000 + b"\r\n", b"431"),
        (GET + b"X" * 70_000 + b": a\r\n\r\n", b"4"),
    ],
)
def test_heads_have_a_size(port: int, raw: bytes, status: bytes) -> None:
    said = exchange(port, raw, wait_s=1)
    assert said.startswith(b"HTTP/1.1 " + status), said[:80]


@pytest.mark.parametrize(
    "target",
    [
        b"/registers/x%0d%0aX-Evil:%201/context", b"/registers?a=%0d%0aSet-Cookie:%20a=b",
        b"/portal/%0aX: y", b"/portal/x\x0d\x0aX-Evil: 1",
    ],
)  # fmt: skip
def test_no_address_splits_an_answer(port: int, target: bytes) -> None:
    said = exchange(port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    head = said.partition(b"\r\n\r\n")[0].lower()
    assert b"x-evil" not in head
    assert b"set-cookie" not in head
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "path",
    [
        b"/registers/../identity/feed", b"/registers/%2e%2e/identity/feed",
        b"/registers/.%2e/identity/feed", b"/registers/..;/identity/feed",
        b"/registers/%2e%2e%2fidentity%2ffeed", b"/registers\\..\\identity\\feed",
        b"/registers/%252e%252e/identity/feed", b"/registers/%c0%ae%c0%ae/identity/feed",
        b"//identity/feed", b"/./identity/feed", b"/identity/feed/", b"/identity//feed",
        b"/IDENTITY/feed", b"/identity/feed%00", b"/identity/feed;x", b"/identity/feed%20",
        b"/identity%2ffeed", b"/registers/x/records/..%2f..%2f..%2fidentity%2ffeed",
        b"/portal/../identity/feed", b"/portal/..%2f..%2fidentity/feed",
        b"http://identity/identity/feed", b"/registers/operate/reset", b"/identity/operate/reset",
    ],
)  # fmt: skip
def test_no_spelling_reaches_what_is_not_declared(port: int, path: bytes) -> None:
    said = ask(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said[9:10] == b"4", said
