"""The scopes catalogue, the audit of privileged actions, and the slow keys of a demonstration."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from servicekit import access
from servicekit.clock import timestamp
from servicekit.problems import Malformed, NotFound
from servicekit.schema import json_body
from services.identity import start_state, teaching
from services.identity.administration.actors import APPS, OPERATE, actor_of
from services.identity.domain import catalogue
from services.identity.domain.scopes import SCOPES
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import audit, levers, trail
from services.identity.storage.citizen_tables import AuditEvent

blueprint = Blueprint("administration", __name__)
SLOW_KEYS = {
    "type": "object",
    "required": ["milliseconds"],
    "properties": {
        "milliseconds": {"type": "integer", "minimum": 0, "maximum": teaching.SLOWEST_MS}
    },
    "additionalProperties": False,
}


@blueprint.get("/identity/scopes")
@access.public
def list_scopes() -> Response:
    response = jsonify(scopes=[_scope(name) for name in SCOPES])
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/identity/audit")
@access.scope(OPERATE, APPS)
def read_audit() -> Response:
    given = request.args.get("before")
    if given is not None and not (given.isascii() and given.isdecimal() and len(given) < 18):
        raise Malformed("before must be a whole number that is not negative.")
    with parts().database.snapshot() as session:
        actor = actor_of(session, access.token(), browser.whence())
        sees_all = actor.is_operator or actor.is_administrator
        events = trail.privileged(
            session,
            about=None if sees_all else actor.sub,
            before=int(given) if given else None,
        )
        who = trail.usernames(session, events)
        return jsonify(
            events=[_event(event, who) for event in events],
            next=events[-1].id if len(events) == trail.PAGE else None,
        )


@blueprint.get("/identity/operate/slow-keys")
@access.scope("platform.operate")
def show_slow_keys() -> Response:
    _only_in_a_demonstration()
    return jsonify(milliseconds=parts().teaching.slow_keys_ms())


@blueprint.put("/identity/operate/slow-keys")
@access.scope("platform.operate")
def slow_keys() -> Response:
    _only_in_a_demonstration()
    milliseconds = json_body(SLOW_KEYS)["milliseconds"]
    with parts().database.transaction() as session:
        levers.put(session, teaching.SLOW_KEYS, milliseconds or None)
        audit.record_event(
            session,
            "lever-slow-keys",
            at=parts().clock.now(),
            visitor=browser.whence(),
            details={"by": access.token().client_id, "milliseconds": milliseconds},
        )
    parts().teaching.forget()
    return jsonify(milliseconds=milliseconds)


def _only_in_a_demonstration() -> None:
    if not parts().teaching.is_demonstration:
        raise NotFound("This platform is no demonstration, so its keys are never slow.")


def _scope(name: str) -> dict[str, Any]:
    rule = catalogue.rule(name)
    return {
        "scope": name,
        "service": SCOPES[name],
        "given": rule.given,
        "for_itself": rule.for_itself,
        "for_people": rule.for_people,
        "description": start_state.seed("scopes.yaml").get(name, {"en": name}),
    }


def _event(event: AuditEvent, usernames: dict[str, str]) -> dict[str, Any]:
    details = {name: value for name, value in event.details.items() if name not in ("by", "reason")}
    return {
        "id": event.id,
        "at": timestamp(event.at),
        "what": event.kind,
        "who": usernames.get(event.actor or ""),
        "by": event.details.get("by"),
        "client_id": event.client_id,
        "reason": event.details.get("reason"),
        "details": details,
    }
