"""The Flask application that every service starts from: errors, access, health, logs, contract."""

import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import requests
import yaml
from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from servicekit import access, log, problems, trace
from servicekit.problems import Problem
from servicekit.settings import ServiceSettings
from servicekit.tokens import KeySource, Verifier

logger = logging.getLogger("request")
UNGUARDED = frozenset({"/healthz", "/readyz"})
MAX_BODY_BYTES = 5 * 1024 * 1024


def new_app(
    name: str,
    settings: ServiceSettings,
    *,
    folder: Path,
    ready: Callable[[], Mapping[str, Any] | None] = lambda: None,
    reset: Callable[[], None] | None = None,
    verifier: Verifier | None = None,
    http: requests.Session | None = None,
    show_problem: Callable[[Problem], Response | None] | None = None,
) -> Flask:
    """Return an application with everything that services share.

    name: the service's folder and URL prefix. folder: where openapi.yaml and templates are.
    ready: raises when the service cannot work now (its database is away); may return members for
    the answer of /readyz. reset: puts the start state back. show_problem: may answer a Problem as
    a page; None falls back to problem+json.
    """
    log.configure(name)
    app = Flask(name, root_path=str(folder), static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        ATOLL_AUDIENCE=f"urn:atoll:{name}",
        ATOLL_SETTINGS=settings,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["atoll_verifier"] = verifier or Verifier(
        KeySource(_fetch_keys(settings, http or requests.Session())), settings.issuer
    )
    app.wsgi_app = _keeping_slashes(app.wsgi_app)  # type: ignore[method-assign]
    _install_context(app, settings)
    _install_errors(app, settings, show_problem)
    _install_health(app, name, folder, ready, reset)
    return app


def _keeping_slashes(inner: Any) -> Any:
    """Route by the address as it was sent where a part of it holds an escaped slash.

    WSGI shows the decoded path alone, in which such a part would fall into two. The gateway says
    the path as it came (``Atoll-Path``), and a view gets the part with its slash still escaped.
    """

    def keeping(environ: dict[str, Any], start_response: Any) -> Any:
        if sent := environ.get("HTTP_ATOLL_PATH"):
            kept = re.sub("%2f", "%252F", sent, flags=re.IGNORECASE)
            environ["PATH_INFO"] = unquote_to_bytes(kept).decode("latin-1")
        return inner(environ, start_response)

    return keeping


def _fetch_keys(settings: ServiceSettings, http: requests.Session) -> Callable[[], Any]:
    def fetch() -> Any:
        answer = http.get(f"{settings.gateway_url}/identity/jwks", timeout=3)
        answer.raise_for_status()
        return answer.json()

    return fetch


def _install_context(app: Flask, settings: ServiceSettings) -> None:
    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        trace.current.set(trace.parse(request.headers.get("traceparent")) or trace.start())
        if request.path not in UNGUARDED and not hmac.compare_digest(
            request.headers.get("Atoll-Gateway-Key", "").encode(), settings.gateway_key.encode()
        ):
            raise problems.Forbidden(
                f"This service answers the gateway only. Send your call to {settings.public_url}."
            )
        access.check_access(app)

    @app.after_request
    def finish(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        headers.setdefault("Cache-Control", "no-store")
        if request.path not in UNGUARDED:
            # the gateway's own polling would drown the rest
            polled = request.headers.get("Atoll-Caller") == access.GATEWAY_ITSELF
            logger.log(
                logging.DEBUG if polled and response.status_code < 400 else logging.INFO,
                "answered",
                extra={  # the route, never the raw path: it may name a person
                    "route": str(request.url_rule or "unrouted"),
                    "method": request.method,
                    "status": response.status_code,
                    "exchange": request.headers.get("Atoll-Exchange", ""),
                    "ms": round((time.perf_counter() - g.started) * 1000, 1),
                },
            )
        return response


def _install_errors(
    app: Flask, settings: ServiceSettings, show_problem: Callable[[Problem], Response | None] | None
) -> None:
    @app.errorhandler(Problem)
    def answer(problem: Problem) -> Response:
        response = show_problem(problem) if show_problem else None
        if response is None:
            exchange = request.headers.get("Atoll-Exchange")
            response = jsonify(
                problem.body(
                    settings.public_url, f"urn:atoll:exchange:{exchange}" if exchange else None
                )
            )
            response.mimetype = problems.PROBLEM_JSON
        response.status_code = problem.status
        response.headers.update(problem.headers)
        return response

    @app.errorhandler(HTTPException)
    def answer_http(error: HTTPException) -> Any:
        if error.response is not None or (error.code or 500) < 400:
            return error.get_response()
        problem = from_http(error)
        if allow := error.get_response().headers.get("Allow"):
            problem.headers["Allow"] = allow
        return app.handle_user_exception(problem)

    @app.errorhandler(Exception)
    def answer_fault(error: Exception) -> Response:
        logger.error("a request failed unexpectedly", exc_info=error)
        return answer(
            Problem(
                "The fault has been logged. Nothing you sent is the cause; "
                "try again, and report it if it stays."
            )
        )


def from_http(error: HTTPException) -> Problem:
    """Turn one of Werkzeug's errors into the Problem with the same status."""
    match error.code:
        case 404:
            return problems.NotFound(
                "Nothing is at this address. The list of addresses is at /portal/apis."
            )
        case 405:
            return problems.MethodNotAllowed(
                f"{request.method} is not taken here; the Allow header lists what is."
            )
        case 413:
            return problems.TooLarge("The body is larger than this address takes. Send less.")
        case 415:
            return problems.UnsupportedMediaType("Send JSON: Content-Type: application/json.")
        case code if code is not None and 400 <= code < 500:
            return problems.Malformed(error.description or "The request cannot be read.")
        case _:
            return Problem("The fault has been logged.")


def _install_health(
    app: Flask,
    name: str,
    folder: Path,
    ready: Callable[[], Mapping[str, Any] | None],
    reset: Callable[[], None] | None,
) -> None:
    @app.get("/healthz")
    @access.public
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    @access.public
    def readyz() -> Response:
        try:
            members = ready()
        except Problem:
            raise
        except Exception as error:  # noqa: BLE001 (whatever is wrong, this service is not ready)
            logger.warning("not ready", extra={"error": repr(error)})
            raise problems.Unavailable(f"{name} is not ready yet. Try again shortly.") from None
        return jsonify(status="ready", **(members or {}))

    contract = folder / "openapi.yaml"

    @cache  # the parser is slow
    def document() -> bytes:
        found = yaml.safe_load(contract.read_text(encoding="utf-8"))
        found["servers"] = [{"url": app.config["ATOLL_SETTINGS"].public_url}]
        written: bytes = jsonify(found).data
        return written

    @app.get(f"/{name}/openapi.json")
    @access.public
    def openapi() -> Response:
        return Response(document(), mimetype="application/json")

    if reset is not None:

        @app.post(f"/{name}/operate/reset")
        @access.gateway_only
        def put_start_state_back() -> tuple[str, int]:
            reset()
            return "", 204
