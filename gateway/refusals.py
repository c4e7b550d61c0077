"""How the door says no: problem details, or notify's own shape where its clients expect that."""

import orjson

from gateway import page
from gateway.asgi import Scope, Send
from servicekit.problems import PROBLEM_JSON, Malformed, Problem, TooLarge, Unavailable

# The names that GOV.UK Notify's clients know, by status (notify API, version 2)
_NOTIFY_NAMES = {
    400: "BadRequestError",
    401: "AuthError",
    403: "AuthError",
    404: "NoResultFound",
    405: "BadRequestError",
    413: "BadRequestError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
}
NOTIFY_V2 = "notify-v2"
MAX_SENTENCE = 300
NO_WEBSOCKETS = "WebSockets are not offered here. Use ordinary requests."


class LogUnavailable(Unavailable):
    """The access could not be recorded, so the answer must not leave."""

    slug, title = "log-unavailable", "The access could not be recorded"


class Maintenance(Unavailable):
    """The route is declared to be under maintenance."""

    slug, title = "maintenance", "This is being worked on"


class RequestTimeout(Problem):
    """The caller's body did not come in time."""

    slug, title, status = "request-timeout", "The body did not arrive in time", 408


class CallerGone(Problem):
    """The caller hung up; nobody reads this answer."""

    slug, title, status = "caller-gone", "The caller hung up", 499


async def refuse_websocket(scope: Scope, send: Send, public_url: str) -> None:
    """Answer a WebSocket handshake as any other call where the server can, else close it."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers, body = render(Malformed(NO_WEBSOCKETS), public_url, "-", "problem")
    await send({"type": "websocket.http.response.start", "status": 400, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def too_large(limit: int) -> Problem:
    """Return what a caller is told whose body is longer than ``limit`` bytes."""
    return TooLarge(f"The body is larger than the {limit} bytes taken here. Send less.")


def fault() -> Problem:
    """Return what a caller is told when the door itself failed."""
    return Problem(
        "The fault has been logged. Nothing you sent is the cause; "
        "try again, and report it if it stays."
    )


def sentence_of(status: int, body: bytes) -> str | None:
    """Return a service's own reason for refusing (403); other errors may repeat what was sent."""
    if status != 403:
        return None
    try:
        detail = orjson.loads(body)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return detail[:MAX_SENTENCE] if isinstance(detail, str) else None


def render(
    problem: Problem,
    public_url: str,
    exchange: str,
    errors: str,
    *,
    as_page: bool = False,
    close: bool = False,
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body that tell a caller of a refusal.

    as_page: the caller is a person in a browser. close: end the connection, because the rest of
    the request may still be on its way.
    """
    policy = b"default-src 'none'; frame-ancestors 'none'"
    if errors == NOTIFY_V2:
        name = _NOTIFY_NAMES.get(problem.status, "BadRequestError")
        error = {"error": name, "message": problem.detail}
        kind = "application/json"
        data = orjson.dumps({"status_code": problem.status, "errors": [error]})
    elif as_page:
        kind, policy = "text/html; charset=utf-8", page.SECURITY_POLICY.encode()
        data = page.render(problem, public_url, exchange)
    else:
        kind = PROBLEM_JSON
        data = orjson.dumps(problem.body(public_url, f"urn:atoll:exchange:{exchange}"))
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept"),
        (b"atoll-exchange", exchange.encode()),
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    if close:
        headers.append((b"connection", b"close"))
    return headers, data
