"""The gateway's own API for those who run it: metrics, and reading the routes again."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request

from gateway.exchanges.writer import Writer
from gateway.health import Health
from gateway.leaving import Leaving
from gateway.metrics import Gauge, Metrics, Tallies
from gateway.reloading import RoutesFile
from gateway.settings import Settings
from gateway.spans import Spans
from gateway.upstreams import Upstreams
from servicekit.access import Scoped, mark, scope
from servicekit.problems import Invalid
from servicekit.settings import LOOPBACK_HOSTS

OBSERVE = "platform.observe"
CIRCUITS = {"closed": 0, "half-open": 1, "open": 2}
RELOAD_TIMEOUT_S = 10.0


class RoutesRefused(Invalid):
    """The route table cannot be used as it stands in its file."""

    slug, title = "routes-refused", "The routes are faulty"


class Observer(Scoped):
    """Callers with the scope platform.observe, or where it is so set this machine itself."""

    def __init__(self, *, open_on_loopback: bool) -> None:
        super().__init__((OBSERVE,))
        self._open = open_on_loopback

    def check(self) -> None:
        """Let a local collector pass only where the settings say so."""
        if self._open and request.remote_addr in LOOPBACK_HOSTS:
            return
        super().check()


@dataclass(frozen=True)
class Operations:
    """What watches over the door and steers it, without taking part in a decision."""

    routes: RoutesFile
    metrics: Metrics
    tallies: Tallies
    leaving: Leaving
    spans: Spans | None
    upstreams: Upstreams
    metrics_on_loopback: bool

    @property
    def parts(self) -> tuple[RoutesFile | Metrics | Leaving | Spans, ...]:
        """What lives as long as the application."""
        lasting = (self.routes, self.metrics, self.leaving)
        return lasting if self.spans is None else (*lasting, self.spans)


def prepare(
    settings: Settings, routes: RoutesFile, upstreams: Upstreams, health: Health, log: Writer
) -> Operations:
    """Put everything together; spans are exported only where the settings name an endpoint."""
    tallies = Tallies()
    metrics = Metrics(
        tallies, [lambda: gauges(upstreams, health, log, routes)], settings.run_folder
    )
    return Operations(
        routes,
        metrics,
        tallies,
        Leaving(),
        Spans() if settings.otlp_endpoint else None,
        upstreams,
        settings.metrics_on_loopback,
    )


def blueprint(own: Operations) -> Blueprint:
    """Return the views."""
    views = Blueprint("operations", __name__)

    @views.get("/metrics")
    @mark(Observer(open_on_loopback=own.metrics_on_loopback))
    def metrics() -> Response:
        text, kind = own.metrics.text()
        return Response(text, content_type=kind)

    @views.post("/operate/reload")
    @scope("platform.operate")
    def reload() -> Response:
        fault = own.upstreams.wait_for(own.routes.reload(), RELOAD_TIMEOUT_S)
        if fault is not None:
            said = " ".join(fault.split()).rstrip(".")
            raise RoutesRefused(f"Nothing was changed; the old routes stay. The fault: {said}.")
        return jsonify(routes=len(own.routes.table.routes))

    return views


def gauges(
    upstreams: Upstreams, health: Health, log: Writer, routes: RoutesFile
) -> Iterator[Gauge]:
    """Say how everything is just now."""
    now = upstreams.now()
    for name in upstreams:
        for number, instance in enumerate(upstreams[name].instances):
            labels = {"service": name, "instance": str(number)}
            breaker = instance.breaker
            yield "atoll_gateway_upstream_in_flight", "Calls under way.", labels, instance.load
            yield (
                "atoll_gateway_upstream_circuit",
                "The circuit breaker: 0 closed, 1 half-open, 2 open.",
                labels,
                CIRCUITS[breaker.state(now)],
            )
            yield (
                "atoll_gateway_upstream_circuit_opened",
                "How often the circuit opened.",
                labels,
                breaker.opened,
            )
            yield (
                "atoll_gateway_upstream_ready",
                "Whether the last health probe found it ready.",
                labels,
                float(instance.is_fit),
            )
    yield "atoll_gateway_log_waiting", "Entries not yet written.", {}, log.waiting
    yield "atoll_gateway_log_dropped", "Entries lost since the start.", {}, log.dropped
    yield "atoll_gateway_log_works", "Whether the log can be written.", {}, float(log.works)
    yield "atoll_gateway_routes", "Routes in the table.", {}, len(routes.table.routes)
    yield (
        "atoll_gateway_routes_faulty",
        "Whether the file of the routes was refused.",
        {},
        float(routes.fault is not None),
    )
