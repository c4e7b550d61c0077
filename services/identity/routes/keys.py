"""The signing keys, for the platform's operator: listed, rotated, withdrawn."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from servicekit import access
from servicekit.clock import timestamp
from servicekit.problems import Conflict, NotFound
from servicekit.schema import json_body
from services.identity.domain.key_life import ALGORITHMS
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import audit
from services.identity.storage import keys as store
from services.identity.storage.protocol_tables import StoredKey

blueprint = Blueprint("keys", __name__)
MOMENTS = ("published_at", "due_at", "active_at", "retiring_at", "gone_at")
ROTATION = {
    "type": "object",
    "properties": {"algorithm": {"enum": list(ALGORITHMS)}},
    "additionalProperties": False,
}
WITHDRAWAL = {
    "type": "object",
    "required": ["reason"],
    "properties": {"reason": {"type": "string", "minLength": 3, "maxLength": 500}},
    "additionalProperties": False,
}


@blueprint.get("/identity/keys")
@access.scope("platform.operate")
def list_keys() -> Response:
    return _listed()


@blueprint.post("/identity/keys/rotate")
@access.scope("platform.operate")
def rotate_keys() -> Response:
    chosen = json_body(ROTATION).get("algorithm")
    algorithms = (chosen,) if chosen else ALGORITHMS
    parts().keys.rotate(algorithms)
    _note("key-rotated", algorithms=list(algorithms))
    return _listed()


@blueprint.post("/identity/keys/<kid>/withdraw")
@access.scope("platform.operate")
def withdraw_key(kid: str) -> Response:
    reason = json_body(WITHDRAWAL)["reason"].replace("\0", "")
    if not parts().keys.withdraw(kid, reason):
        with parts().database.snapshot() as session:
            if kid in {key.kid for key in store.every(session)}:
                raise Conflict("This key is gone already. `atoll keys list` shows those in use.")
        raise NotFound("There is no key with this id. `atoll keys list` shows them.")
    _note("key-withdrawn", kid=kid, reason=reason)
    return _listed()


def _note(kind: str, **details: Any) -> None:
    """Write down what was done to the keys: administrators see it."""
    with parts().database.transaction() as session:
        audit.record_event(
            session,
            kind,
            at=parts().clock.now(),
            visitor=browser.whence(),
            details={"by": access.token().client_id, **details},
        )


def _listed() -> Response:
    with parts().database.snapshot() as session:
        return jsonify(keys=[_as_json(key) for key in store.every(session)])


def _as_json(key: StoredKey) -> dict[str, Any]:
    moments = {name: _moment(getattr(key, name)) for name in MOMENTS}
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state,
        **moments,
        "reason": key.reason,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
