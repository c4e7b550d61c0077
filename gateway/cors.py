"""Which pages of other origins may read an answer (Fetch Standard, CORS protocol).

A route with ``cors: read`` may be read by everyone; every other one without cookies by the origins
in the settings. Credentials are never allowed: a token goes in the Authorization header.
"""

from collections.abc import Collection

from gateway.headers import Headers
from gateway.incoming import Incoming
from gateway.routing import Route
from servicekit.problems import Forbidden

ALLOWED_HEADERS = (
    b"accept, accept-language, authorization, content-type, dpop, idempotency-key, if-match, "
    b"if-none-match, atoll-purpose, atoll-subject, atoll-consent, traceparent"
)
EXPOSED_HEADERS = (
    b"atoll-exchange, deprecation, etag, link, location, ratelimit, ratelimit-limit, "
    b"ratelimit-policy, ratelimit-remaining, ratelimit-reset, retry-after, sunset, www-authenticate"
)
MAX_AGE_S = b"600"


def is_preflight(call: Incoming) -> bool:
    """Whether a browser asks what it may send, before it sends anything."""
    return call.method == "OPTIONS" and call.origin is not None and bool(wanted_method(call))


def wanted_method(call: Incoming) -> str:
    """Return the method that a preflight asks about; empty where it is not one."""
    for name, value in call.headers:
        if name == b"access-control-request-method":
            return value.decode("latin-1")
    return ""


def answer_headers(route: Route, origin: str | None, listed: Collection[str]) -> Headers:
    """Return the headers that let a page of this origin read the answer; none where it may not."""
    if route.cors == "read":
        return [
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        ]
    if route.cookies or not listed:
        return []
    headers = [(b"vary", b"Origin")]
    if origin is not None and origin in listed:
        headers += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        ]
    return headers


def preflight_headers(route: Route, call: Incoming, listed: Collection[str]) -> Headers:
    """Answer a preflight for this route; raise Forbidden where the page may not call it."""
    headers = answer_headers(route, call.origin, listed)
    if not any(name == b"access-control-allow-origin" for name, _ in headers):
        raise Forbidden(
            "Pages of this origin may not call this address. Call it from your own server, or ask "
            "the platform's operator to list the origin (GATEWAY_CORS_ORIGINS)."
        )
    return [
        *headers,
        (b"access-control-allow-methods", ", ".join(sorted(route.allow)).encode()),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", MAX_AGE_S),
    ]
