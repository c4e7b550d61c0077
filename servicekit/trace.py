"""Trace context: which click or call a request belongs to (W3C Trace Context, level 1)."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Trace:
    """One hop of one trace: 32 and 16 lower-case hexadecimal digits; whether it is to be kept."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def header(self) -> str:
        """Write the ``traceparent`` header."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02d}"

    def child(self) -> "Trace":
        """Return the next hop of the same trace."""
        return Trace(self.trace_id, secrets.token_hex(8), self.sampled)


current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def start() -> Trace:
    """Begin a new trace."""
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


def parse(header: str | None) -> Trace | None:
    """Read a ``traceparent`` header; return None when it is missing or malformed."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
        return None
    return Trace(match[1], match[2], bool(int(match[3], 16) & 1))
