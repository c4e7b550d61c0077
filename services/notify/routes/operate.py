"""The instructor's lever on the simulated providers; the gateway alone calls it."""

from flask import Response, jsonify

from servicekit import access, schema
from servicekit.problems import BadGateway, NotFound
from services.notify import simulated
from services.notify.components import components
from services.notify.routes.blueprint import own
from services.notify.simulator.behaviour import MAX_DELAY_MS, MODES
from services.notify.simulator.control import Control, Unreachable

LEVER = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "provider": {"enum": [name for name, _ in simulated.NAMES]},
        "mode": {"enum": list(MODES)},
        "delay_ms": {"type": "integer", "minimum": 0, "maximum": MAX_DELAY_MS},
    },
}


@own.get("/notify/operate/provider")
@access.gateway_only
def show_providers() -> Response:
    """Return how each simulated provider behaves, and what it has done."""
    return _ask(None)


@own.post("/notify/operate/provider")
@access.gateway_only
def set_provider() -> Response:
    """Tell a simulated provider (or all) to work, fail, be slow or report twice."""
    return _ask(schema.json_body(LEVER))


def _ask(wanted: dict[str, object] | None) -> Response:
    settings = components().settings
    if settings.simulator_url is None or settings.start_state is None:
        raise NotFound("There are no simulated providers here.")
    control = Control(settings.simulator_url, simulated.key(settings.raw_data_key() or b""))
    try:
        return jsonify(control.ask(wanted))
    except Unreachable:
        raise BadGateway("The simulator of text providers does not answer. Try again.") from None
