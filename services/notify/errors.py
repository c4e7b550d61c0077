"""Errors of the v2 API in its own envelope, and the handlers that give it to everything there."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from servicekit.app import from_http
from servicekit.problems import Problem

PREFIX = "/v2/"
_UNROUTED = {
    404: "The requested URL was not found on the server. If you entered the URL manually please "
    "check your spelling and try again.",
    405: "The method is not allowed for the requested URL.",
}

logger = logging.getLogger(__name__)


class V2Error(Problem):
    """A refusal of the v2 API; ``error`` is the type that its clients know."""

    slug, title, status = "notification-refused", "The notification API refused the call", 400
    error = "BadRequestError"

    def __init__(self, *messages: str, status: int | None = None, **members: Any) -> None:
        super().__init__("; ".join(messages), **members)
        self.messages = messages
        self.faults: Sequence[Mapping[str, Any]] | None = None
        self.status = status or type(self).status


class BadRequestError(V2Error):
    """A rule of the service forbids it."""


class ValidationError(V2Error):
    """The request breaks the schema: one message for each fault."""

    error = "ValidationError"


class InvalidPhoneError(V2Error):
    """The number is right, but this service may not send there."""

    error = "InvalidPhoneError"


class InvalidEmailError(V2Error):
    """The address is right, but this service may not send there."""

    error = "InvalidEmailError"


class PdfNotReadyError(V2Error):
    """The letter's pages are not made yet."""

    error = "PDFNotReadyError"

    def __init__(self) -> None:
        super().__init__("PDF not available yet, try again later")


def _limit_headers(name: str, limit: int, window_s: int, wait_s: int) -> dict[str, str]:
    """Say when calls pass again, as RFC 9110 does, and both drafts of the RateLimit headers."""
    return {
        "Retry-After": str(wait_s),
        "RateLimit-Policy": f'"{name}";q={limit};w={window_s}',
        "RateLimit": f'"{name}";r=0;t={wait_s}',
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(wait_s),
    }


class RateLimitError(V2Error):
    """Too many calls within a minute; they pass again when the bucket has filled up."""

    status = 429
    error = "RateLimitError"

    def __init__(self, key_type: str, rate: int) -> None:
        super().__init__(
            f"Exceeded rate limit for key type {key_type.upper()} of {rate} requests per 60 seconds"
        )
        wait = max(1, -(-60 // max(rate, 1)))
        self.headers |= _limit_headers("minute", rate, 60, wait)


class TooManyRequestsError(V2Error):
    """Too many messages of a kind on one day (UTC)."""

    status = 429
    error = "TooManyRequestsError"

    def __init__(self, kind: str, limit: int, retry_after_s: int) -> None:
        super().__init__(f"Exceeded send limits ({kind}: {limit}) for today")
        self.headers |= _limit_headers(f"{kind}-day", limit, 86_400, retry_after_s)


class AuthError(V2Error):
    """The call is not signed with a key of a service."""

    status = 403
    error = "AuthError"


class NoResultFound(V2Error):
    """There is no such notification or template."""

    status = 404
    error = "NoResultFound"

    def __init__(self) -> None:
        super().__init__("No result found")


class ConflictError(V2Error):
    """The Idempotency-Key was used for another body."""

    status = 409
    error = "ConflictError"


def envelope(
    status: int,
    error: str,
    messages: Sequence[str],
    members: Mapping[str, Any] | None = None,
    faults: Sequence[Mapping[str, Any]] | None = None,
) -> Response:
    """Write the v2 error body; without a top-level ``message``, which clients would prefer."""
    each = [{"error": error, "message": message, **(members or {})} for message in messages]
    response = jsonify(status_code=status, errors=faults or each)
    response.status_code = status
    return response


def refuse(problem: Problem) -> Response:
    """Answer a Problem of a v2 route."""
    if isinstance(problem, V2Error):
        response = envelope(
            problem.status, problem.error, problem.messages, problem.members, problem.faults
        )
    else:
        response = envelope(problem.status, type(problem).__name__, [problem.detail])
    response.headers.update(problem.headers)
    return response


def refuse_http(error: HTTPException) -> Response:
    """Answer one of Werkzeug's errors in a v2 route."""
    return refuse(from_http(error))


def fail(error: Exception) -> Response:
    """Answer a fault of ours in a v2 route, without its text."""
    logger.error("a request failed unexpectedly", exc_info=error)
    return envelope(500, type(error).__name__, ["Internal server error"])


def install_in(v2: Blueprint) -> None:
    """Give every failure of the blueprint's routes the v2 shape."""
    v2.register_error_handler(Problem, refuse)
    v2.register_error_handler(HTTPException, refuse_http)
    v2.register_error_handler(Exception, fail)


def install(app: Flask) -> None:
    """Give unknown addresses and wrong methods under /v2 the API's other shape, and its headers."""

    @app.errorhandler(404)
    @app.errorhandler(405)
    def unrouted(error: HTTPException) -> Any:
        problem = from_http(error)
        if allow := error.get_response().headers.get("Allow"):
            problem.headers["Allow"] = allow
        if not request.path.startswith(PREFIX):
            return app.handle_user_exception(problem)
        response = jsonify(result="error", message=_UNROUTED[problem.status])
        response.status_code = problem.status
        response.headers.update(problem.headers)
        return response

    @app.after_request
    def open_to_browsers(response: Response) -> Response:
        if request.path.startswith(PREFIX):
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Strict-Transport-Security"] = "max-age=31536000; preload"
            response.headers["Cache-Control"] = "no-store, no-cache, private, must-revalidate"
        return response
