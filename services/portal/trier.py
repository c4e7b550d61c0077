"""Tries one declared operation for a visitor, with a token that is already there."""

import contextlib
import json
import secrets
import time
from dataclasses import dataclass

import jwt
import requests

from servicekit.outbound import Corridor
from servicekit.problems import Problem
from services.portal.domain.contract import Call, Operation

SHOWN_BYTES, LIMIT_S = 32_768, 5.0
_SHOWN_HEADERS = (
    *("content-type", "location", "link", "etag", "retry-after", "www-authenticate"),
    *("ratelimit", "ratelimit-policy", "deprecation", "sunset", "atoll-exchange"),
)


@dataclass(frozen=True)
class Token:
    """A bearer token and whose it is: ``sandbox``, ``notify`` or the signed-in ``person``."""

    text: str
    whose: str


@dataclass(frozen=True)
class Tried:
    """What came back. ``trouble``: the sentence where nothing came back at all."""

    trace: str
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    cut: bool = False
    took_ms: float = 0
    trouble: str = ""


class Trier:
    """Holds the sandbox's credentials; calls go through the gateway like everybody's."""

    def __init__(self, corridor: Corridor, sandbox: Corridor, notify_key: str | None) -> None:
        self._corridor, self._sandbox, self._notify_key = corridor, sandbox, notify_key

    def token(self, service: str, operation: Operation, scopes: tuple[str, ...]) -> Token | None:
        """Return the sandbox's token for an operation, if the sandbox may have one.

        scopes: those that the sandbox has. Notify's own API takes a token that its key signs.
        """
        if operation.path.startswith("/v2/"):
            return Token(self._notify_token(), "notify") if self._notify_key else None
        for scope in operation.scopes or ():
            if scope in scopes:
                return Token(self._sandbox.token(service, scope), "sandbox")
        return None

    def run(self, call: Call, token: Token | None) -> Tried:
        """Send the call and return what came back, refusals included."""
        trace = secrets.token_hex(16)
        headers = dict(call.headers) | {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        if token:
            headers["Authorization"] = f"Bearer {token.text}"
        began = time.perf_counter()
        try:
            answer = self._corridor.ask(
                call.method,
                call.target,
                headers=headers,
                data=call.body.encode() or None,
                stream=True,
            )
        except Problem as problem:
            return Tried(trace, trouble=problem.detail)
        content, cut = _beginning(answer, began + LIMIT_S)
        took_ms = (time.perf_counter() - began) * 1000
        text = _pretty(content, answer.headers.get("Content-Type", ""))
        return Tried(
            trace,
            answer.status_code,
            answer.reason or "",
            tuple((n, answer.headers[n]) for n in _SHOWN_HEADERS if n in answer.headers),
            text,
            cut,
            took_ms,
        )

    def _notify_token(self) -> str:
        key = self._notify_key or ""
        return jwt.encode({"iss": key[-73:-37], "iat": int(time.time())}, key[-36:], "HS256")


def _beginning(answer: requests.Response, until: float) -> tuple[bytes, bool]:
    """Read an answer as far as it is shown; a stream without end is left after a while."""
    read = b""
    with contextlib.closing(answer):
        try:
            for piece in answer.iter_content(4096):
                read += piece
                if len(read) > SHOWN_BYTES or time.perf_counter() > until:
                    return read[:SHOWN_BYTES], True
        except requests.RequestException:
            return read, True
    return read, False


def _pretty(content: bytes, media_type: str) -> str:
    if "json" in media_type:
        try:
            return json.dumps(json.loads(content), indent=2, ensure_ascii=False)
        except ValueError:
            pass
    if media_type.startswith("text/") or "json" in media_type or not content:
        return content.decode("utf-8", "replace")
    return f"({len(content)} bytes of {media_type or 'an unnamed type'})"
