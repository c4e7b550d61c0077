"""What a caller sent: read once from the ASGI scope, with everything removed that must not pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.headers import NEVER_ONWARD, NEVER_ONWARD_PREFIXES, Headers, without
from gateway.routing import check_query
from servicekit.problems import Malformed, Problem

MAX_HEADER_BYTES = 32 * 1024

# Read by the door itself; each may come once. Of these only two are passed on.
_READ = {
    b"authorization": "authorization",
    b"atoll-purpose": "purpose",
    b"atoll-subject": "subject",
    b"atoll-consent": "consent",
    b"traceparent": "traceparent",
    b"content-length": "content_length",
    b"transfer-encoding": "transfer_encoding",
    b"upgrade": "upgrade",
    b"host": "host",
    b"origin": "origin",
}
_ALSO_ONWARD = frozenset(("authorization", "origin"))


class HeadersTooLarge(Problem):
    """The headers are larger than the door reads (RFC 6585 section 5)."""

    slug, title, status = "headers-too-large", "The headers are too large", 431


@dataclass(slots=True)
class Incoming:
    """One call as it came, before any rule looked at it; ``headers`` are those that may pass."""

    method: str
    path: bytes
    query: bytes
    client: str
    headers: Headers = field(default_factory=list)
    cookies: list[bytes] = field(default_factory=list)
    authorization: str | None = None
    purpose: str | None = None
    subject: str | None = None
    consent: str | None = None
    traceparent: str | None = None
    origin: str | None = None
    body_bytes: int | None = None  # as declared; None where the caller sends it in chunks
    chunked: bool = False

    @property
    def target(self) -> bytes:
        """The request target as it goes on: exactly the caller's own bytes."""
        return self.path + b"?" + self.query if self.query else self.path


def read(scope: Mapping[str, Any]) -> Incoming:
    """Read one call; raise Malformed or HeadersTooLarge where two programs could disagree on it."""
    query: bytes = scope["query_string"]
    check_query(query)
    client = scope.get("client")
    incoming = Incoming(
        scope["method"], scope["raw_path"], query, str(client[0]) if client else "unknown"
    )
    read_values: dict[str, str] = {}
    size, nominated = 0, b""
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        known = _READ.get(name)
        if known is not None:
            if known in read_values:
                raise Malformed(f"The header {name.decode()} comes twice. Send it once.")
            read_values[known] = value.decode("latin-1")
            if known in _ALSO_ONWARD:
                incoming.headers.append((name, value))
        elif name in NEVER_ONWARD:
            if name == b"cookie":
                incoming.cookies.append(value)
            elif name == b"connection" and value not in (b"keep-alive", b"close"):
                nominated += b"," + value
        elif not name.startswith(NEVER_ONWARD_PREFIXES) and not _disguised(name):
            incoming.headers.append((name, value))
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"The headers are larger than {MAX_HEADER_BYTES} bytes. Send less.")
    if nominated:
        incoming.headers = without(incoming.headers, nominated)
    _read_framing(incoming, read_values)
    incoming.authorization = read_values.get("authorization")
    incoming.purpose = read_values.get("purpose")
    incoming.subject = read_values.get("subject")
    incoming.consent = read_values.get("consent")
    incoming.traceparent = read_values.get("traceparent")
    incoming.origin = read_values.get("origin")
    return incoming


def _disguised(name: bytes) -> bool:
    """Whether a name with underscores would reach a WSGI service as one of the door's own."""
    if b"_" not in name:
        return False
    dashed = name.replace(b"_", b"-")
    return dashed in _READ or dashed in NEVER_ONWARD or dashed.startswith(NEVER_ONWARD_PREFIXES)


def _read_framing(incoming: Incoming, values: Mapping[str, str]) -> None:
    if values.get("upgrade", "").lower().startswith("websocket"):
        raise Malformed("WebSockets are not offered here. Use ordinary requests.")
    length, encoding = values.get("content_length"), values.get("transfer_encoding")
    if encoding is not None:
        if encoding.strip().lower() != "chunked" or length is not None:
            raise Malformed(
                "Send the body with Content-Length or in chunks: one of the two, and no other "
                "Transfer-Encoding."
            )
        incoming.chunked = True
    elif length is None:
        incoming.body_bytes = 0
    elif length.isascii() and length.isdigit() and len(length) < 16:
        incoming.body_bytes = int(length)
    else:
        raise Malformed("Content-Length is not a number of bytes.")
