"""Exports a span for each sampled exchange by OTLP over HTTP; loaded only where configured."""

import time
from typing import Any

from gateway.exchanges.entry import Entry
from servicekit.trace import Trace

MAX_QUEUED = 8192


class Spans:
    """Turns entries of the log into spans; a thread of the SDK sends them in batches.

    The endpoint, its headers and its time limits come from the standard variables
    (OTEL_EXPORTER_OTLP_ENDPOINT and its companions). Spans never hold a raw path, a query or a
    person: they say what an entry says without its subject.
    """

    def __init__(self) -> None:
        from opentelemetry import trace as otel
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk import resources
        from opentelemetry.sdk import trace as sdk
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._otel, self._sdk = otel, sdk
        self._resource = resources.Resource.create({"service.name": "gateway"})
        self._scope = InstrumentationScope("atoll.gateway")
        self._batches = BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=MAX_QUEUED)

    async def start(self) -> None:
        """Nothing has to be begun: the SDK started its thread."""

    async def stop(self) -> None:
        """Send what is left."""
        import asyncio

        await asyncio.to_thread(self._batches.shutdown)

    def record(self, entry: Entry, hop: Trace, parent: Trace | None) -> None:
        """Export one exchange; never blocks."""
        otel = self._otel
        ended = time.time_ns()
        failed = entry.status >= 500
        self._batches.on_end(
            self._sdk.ReadableSpan(
                name=f"{entry.method} {entry.route or 'unrouted'}",
                context=self._context(hop, remote=False),
                parent=self._context(parent, remote=True) if parent else None,
                resource=self._resource,
                attributes=_attributes(entry),
                kind=otel.SpanKind.SERVER,
                instrumentation_scope=self._scope,
                status=otel.Status(otel.StatusCode.ERROR if failed else otel.StatusCode.UNSET),
                start_time=ended - entry.duration_us * 1000,
                end_time=ended,
            )
        )

    def _context(self, hop: Trace, *, remote: bool) -> Any:
        return self._otel.SpanContext(
            int(hop.trace_id, 16), int(hop.span_id, 16), remote, self._otel.TraceFlags(1)
        )


def _attributes(entry: Entry) -> dict[str, Any]:
    """Name what is known in OpenTelemetry's words for HTTP, the platform's own with ``atoll.``."""
    named = {
        "http.request.method": entry.method,
        "http.route": entry.route,
        "http.response.status_code": entry.status,
        "http.response.body.size": entry.size_bytes,
        "atoll.service": entry.service,
        "atoll.exchange": entry.exchange,
        "atoll.outcome": entry.outcome,
        "atoll.caller": entry.caller,
        "atoll.purpose": entry.purpose,
        "atoll.basis": entry.basis,
        "error.type": entry.reason,
    }
    return {name: value for name, value in named.items() if value is not None}
