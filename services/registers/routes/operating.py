"""The instructor's lever at this service: only in a demonstration, only through the gateway."""

from flask import Blueprint, Response, current_app, jsonify, request

from servicekit.access import gateway_only
from servicekit.problems import Invalid, NotFound
from servicekit.schema import json_body
from services.registers.personal.keeping import no_register
from services.registers.routes.state import database
from services.registers.storage import heads, tampering

blueprint = Blueprint("operating", __name__)

TAMPER = {
    "type": "object",
    "required": ["register"],
    "properties": {
        "register": {"type": "string", "maxLength": 200},
        "number": {"type": "integer", "minimum": 1, "maximum": 10**17},
    },
    "additionalProperties": False,
}


@blueprint.route("/registers/operate/tamper", methods=["POST", "DELETE"])
@gateway_only
def tamper() -> Response:
    """Change one row behind the service's back, or (DELETE) put back all that were changed."""
    settings = current_app.config["ATOLL_SETTINGS"]
    if settings.start_state is None or not settings.is_loopback:
        raise NotFound("Nothing is at this address.")
    if request.method == "DELETE":
        with database().transaction() as session:
            return jsonify(undone=tampering.undo(session))
    body = json_body(TAMPER)
    with database().transaction() as session:
        head = heads.lock_register(session, body["register"])
        if head is None:
            raise no_register()
        done = tampering.tamper(session, head, body.get("number", head["size"]))
    if done is None:
        raise Invalid(
            "Nothing was changed.",
            errors=[{"detail": "The register has no entry of this number.", "pointer": "/number"}],
        )
    return jsonify(
        {
            "register": body["register"],
            "entry-number": done.number,
            "key": done.key,
            "field": done.field,
            "before": done.before,
            "after": done.after,
        }
    )
