"""The instructor's levers over HTTP: faults at the door, texts that fail, a changed register.

Only in a demonstration; elsewhere nothing is at these addresses. What happens inside a service is
asked of the service itself, by a call that the gateway alone can make.
"""

from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, request

from gateway.faults import HOLDS_S, KINDS, MAX_DELAY_MS, Fault, Faults
from gateway.upstreams import Upstreams
from servicekit.access import scope
from servicekit.clock import timestamp
from servicekit.problems import BadGateway, Invalid, NotFound
from servicekit.schema import json_body

OPERATE, TEACH = "platform.operate", "platform.teach"
TIMEOUT_S = 5.0
DELAY_MS = 2_000
FAULT = {
    "type": "object",
    "required": ["service", "kind"],
    "properties": {
        "service": {"type": "string", "maxLength": 64},
        "kind": {"enum": list(KINDS)},
        "delay_ms": {"type": "integer", "minimum": 1, "maximum": MAX_DELAY_MS},
    },
    "additionalProperties": False,
}
ANYTHING = {"type": "object"}  # the service that is asked checks the rest


def blueprint(faults: Faults, upstreams: Upstreams) -> Blueprint:
    """Return the views."""
    views = Blueprint("teaching", __name__)

    @views.before_request
    def only_in_a_demonstration() -> None:
        if not faults.is_demonstration:
            raise NotFound("There are no levers here; they belong to the demonstration.")

    @views.get("/operate/faults")
    @scope(OPERATE, TEACH)
    def list_faults() -> Response:
        faults.read()
        return _told(faults, upstreams)

    @views.post("/operate/faults")
    @scope(OPERATE, TEACH)
    def pull() -> Response:
        body = json_body(FAULT)
        if body["service"] not in upstreams:
            known = ", ".join(sorted(upstreams))
            raise Invalid(
                "Nothing was changed.",
                errors=[{"detail": f"service is one of {known}", "pointer": "/service"}],
            )
        delay_ms = body.get("delay_ms", DELAY_MS) if body["kind"] == "slow" else 0
        faults.pull(body["service"], body["kind"], delay_ms)
        return _told(faults, upstreams)

    @views.delete("/operate/faults")
    @scope(OPERATE, TEACH)
    def undo() -> Response:
        faults.undo(request.args.get("service"))
        return _told(faults, upstreams)

    @views.post("/operate/tamper")
    @scope(OPERATE, TEACH)
    def tamper() -> Response:
        return _ask(
            upstreams, "registers", "POST", "/registers/operate/tamper", json_body(ANYTHING)
        )

    @views.delete("/operate/tamper")
    @scope(OPERATE, TEACH)
    def put_back() -> Response:
        return _ask(upstreams, "registers", "DELETE", "/registers/operate/tamper")

    @views.get("/operate/providers")
    @scope(OPERATE, TEACH)
    def providers() -> Response:
        return _ask(upstreams, "notify", "GET", "/notify/operate/provider")

    @views.post("/operate/providers")
    @scope(OPERATE, TEACH)
    def set_provider() -> Response:
        return _ask(upstreams, "notify", "POST", "/notify/operate/provider", json_body(ANYTHING))

    return views


def _told(faults: Faults, upstreams: Upstreams) -> Response:
    pulled = [_shown(one) for _, one in sorted(faults.pulled.items())]
    return jsonify(faults=pulled, services=sorted(upstreams), holds_s=HOLDS_S)


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "service": fault.service,
        "kind": fault.kind,
        "delay_ms": fault.delay_ms,
        "until": timestamp(fault.until),
    }


def _ask(upstreams: Upstreams, service: str, method: str, path: str, body: Any = None) -> Response:
    """Ask a service, and hand on what it says, refusals too."""
    call = upstreams.call(service, method, path, json=body, timeout_s=TIMEOUT_S)
    status, answer = upstreams.wait_for(call, TIMEOUT_S + 1)
    try:
        document = orjson.loads(answer or b"{}")
    except orjson.JSONDecodeError:
        raise BadGateway(f"{service} answered with something else than JSON.") from None
    kind = "application/json" if status < 400 else "application/problem+json"
    return Response(orjson.dumps(document), status, content_type=kind)
