"""Which headers pass the door, in both directions, and which the door writes itself."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

# Hop by hop (RFC 9110 section 7.6.1), or names that other software would trust
NEVER_ONWARD = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"expect", b"http2-settings", b"forwarded",
        b"cookie", b"proxy", b"via", b"x-real-ip", b"x-original-url", b"x-rewrite-url",
        b"x-http-method-override",
    )
)  # fmt: skip
NEVER_ONWARD_PREFIXES = (b"atoll-", b"x-forwarded-", b"sec-websocket-")

# Hop by hop, or meant for the gateway alone
_NEVER_BACK = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"server", b"atoll-subject", b"atoll-categories",
        b"atoll-caller", b"atoll-exchange",
        b"access-control-allow-origin", b"access-control-allow-credentials",
        b"access-control-allow-headers", b"access-control-allow-methods",
        b"access-control-expose-headers", b"access-control-max-age",
    )
)  # fmt: skip


def back(headers: Headers, exchange: str, cookie_names: frozenset[bytes]) -> Headers:
    """Return the headers of an answer that reach the caller, with the id of the log entry."""
    passed: Headers = []
    nominated = b""
    for name, value in headers:
        if name == b"set-cookie":
            if value.partition(b"=")[0].strip() in cookie_names:
                passed.append((name, value))
        elif name not in _NEVER_BACK:
            passed.append((name, value))
        elif name == b"connection":
            nominated += b"," + value
    if nominated:
        passed = without(passed, nominated)
    passed.append((b"atoll-exchange", exchange.encode()))
    return passed


def without(headers: Headers, connection: bytes) -> Headers:
    """Remove the headers that a Connection header declares for this hop only."""
    names = {name.strip().lower() for name in connection.split(b",")}
    return [header for header in headers if header[0] not in names]


def only_cookies(cookies: Iterable[bytes], names: frozenset[bytes]) -> bytes:
    """Return one Cookie header's value that holds the cookies of these names and no other."""
    pairs = (pair.strip() for value in cookies for pair in value.split(b";"))
    return b"; ".join(pair for pair in pairs if pair.partition(b"=")[0] in names)


def value_of(headers: Headers, name: bytes) -> str | None:
    """Return the value of a header that may come once; None when it is missing or repeated."""
    found = [value for given, value in headers if given == name]
    return found[0].decode("latin-1") if len(found) == 1 else None
