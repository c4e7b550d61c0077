"""Spans that a collector receives by OTLP, and nothing loaded where none is configured."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.gateway.harness import Reply, Request, Service, door, in_loop, listening

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(Service):
    """A receiver of OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(
            lambda request: Reply(headers={"Content-Type": "application/x-protobuf"}, body=b"")
        )

    def spans(self) -> list[Span]:
        found = []
        for request in self.requests:
            assert request.path == "/v1/traces"
            packed = request.header("Content-Encoding") == "gzip"
            export = ExportTraceServiceRequest()
            export.ParseFromString(gzip.decompress(request.body) if packed else request.body)
            for resource in export.resource_spans:
                named = {one.key: one.value.string_value for one in resource.resource.attributes}
                assert named["service.name"] == "gateway"
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found


def words(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@in_loop
async def test_sampled_exchanges_reach_the_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    async with listening(collector.serve) as port:
        endpoint = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        async with door(tmp_path, otlp_endpoint=endpoint) as it:
            token = it.issuer.headers("registers", client_id="fisheries")
            sampled = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            await it.get("/registers/island/records/K?secret=1", token | sampled)
            unsampled = {"traceparent": f"00-{'1' * 32}-b7ad6b7169203331-00"}
            await it.get("/registers", unsampled)
            it.services["portal"].answer = lambda request: Reply(500)
            await it.get("/portal/secret")
            onward: list[Request] = it.asked("registers")
        spans = collector.spans()  # leaving sent what was left
    assert sorted(span.name for span in spans) == [
        "GET /portal/{rest:path}",
        "GET /registers/{register}/records/{key}",
    ]
    failed, read = sorted(spans, key=lambda span: span.name)
    assert read.trace_id.hex() == TRACE
    assert read.parent_span_id.hex() == "b7ad6b7169203331"
    assert onward[0].header("traceparent") == f"00-{TRACE}-{read.span_id.hex()}-01"
    assert str(onward[1].header("traceparent")).endswith("-00")
    assert words(read)["http.response.status_code"] == 200
    assert words(read)["atoll.caller"] == "fisheries"
    assert words(read)["atoll.service"] == "registers"
    assert read.kind == Span.SpanKind.SPAN_KIND_SERVER
    assert 0 < read.end_time_unix_nano - read.start_time_unix_nano < 5_000_000_000
    assert failed.status.code == Status.StatusCode.STATUS_CODE_ERROR
    assert not failed.parent_span_id
    assert "secret" not in str(spans)


@in_loop
async def test_a_collector_that_is_away_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Service().serve) as port:
        pass
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with door(tmp_path, otlp_endpoint=f"http://127.0.0.1:{port}") as it:
        for _ in range(20):
            assert (await it.get("/registers")).status == 200


def test_nothing_of_it_is_loaded_where_it_is_not_configured() -> None:
    code = "import sys, gateway.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "gateway.spans" in loaded
    assert not [name for name in loaded if name.startswith(("opentelemetry", "prometheus_client"))]
