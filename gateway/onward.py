"""What goes on to a service: the body, read first where it is small, and the headers."""

import asyncio
from collections.abc import Sequence

from gateway import refusals
from gateway.asgi import Receive
from gateway.headers import Headers, only_cookies
from gateway.incoming import Incoming
from gateway.policy import Allow
from gateway.refusals import too_large
from gateway.routing import Match

GATHERED_BYTES = 64 * 1024  # bodies up to this size are read before a service is troubled
SAFE = frozenset(("GET", "HEAD"))


async def read_body(
    receive: Receive, call: Incoming, limit: int, idle_s: float
) -> tuple[bytes, bool]:
    """Read a small body, or one without a declared length, in full; leave others to stream.

    WSGI services cannot read a body without a length, so one that comes in chunks is gathered.
    Returns the body and whether it is whole.
    """
    length = call.body_bytes if not call.chunked else None
    if length == 0:
        return b"", True
    if length is not None and length > limit:
        raise too_large(limit)
    if length is not None and length > GATHERED_BYTES:
        return b"", False
    limit = limit if length is None else length
    body = bytearray()
    try:
        async with asyncio.timeout(idle_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise refusals.CallerGone("The caller hung up.")
                body += message.get("body", b"")
                if len(body) > limit:
                    raise too_large(limit)  # also where more came than was declared
                if not message.get("more_body"):
                    return bytes(body), True
    except TimeoutError:
        raise refusals.RequestTimeout("The body did not arrive in time. Send it again.") from None


def write_headers(
    match: Match,
    call: Incoming,
    allowed: Allow,
    body_bytes: int | None,
    own: Sequence[tuple[bytes, bytes]],
) -> Headers:
    """Write the headers that go on: the caller's own, then the door's.

    body_bytes: the length of the body; None where there is none. own: those of the door that are
    the same whatever was decided.
    """
    headers = [*call.headers, *own]
    if body_bytes is not None:
        headers.append((b"content-length", str(body_bytes).encode()))
    if allowed.caller:
        headers.append((b"atoll-caller", allowed.caller.encode()))
    if allowed.purpose:
        headers.append((b"atoll-purpose", allowed.purpose.code.encode()))
    if allowed.consent:
        headers.append((b"atoll-consent", allowed.consent.encode()))
    if allowed.subject:
        headers.append((b"atoll-subject", allowed.subject.encode()))
    if match.has_slash:
        headers.append((b"atoll-path", call.path))  # WSGI shows a service the decoded one
    if match.route.cookies and call.cookies:
        headers.append((b"cookie", only_cookies(call.cookies, match.route.cookie_names)))
    return headers
