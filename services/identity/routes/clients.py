"""Programs over HTTP: registered (RFC 7591), managed (in the way of RFC 7592), approved."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.problems import Conflict, Malformed, UnsupportedMediaType
from servicekit.schema import json_body, parse
from services.identity import teaching
from services.identity.administration import approving, metadata, registering
from services.identity.administration.actors import APPS, OPERATE, Actor, actor_of, find, note
from services.identity.administration.errors import metadata_refused
from services.identity.parts import parts
from services.identity.protocol.token_endpoint import refusal
from services.identity.routes import browser
from services.identity.storage import people, registrations
from services.identity.storage.tables import Client

blueprint = Blueprint("clients", __name__)
PATH = "/identity/clients"
LONGEST_METADATA = 64 * 1024
WORDS: Mapping[str, Any] = {"type": "string", "minLength": 3, "maxLength": 500}
ROTATION = {
    "type": "object",
    "properties": {
        "overlap_s": {
            "type": "integer",
            "minimum": 0,
            "maximum": registering.LONGEST_OVERLAP_S,
        }
    },
    "additionalProperties": False,
}
LIVE = {
    "type": "object",
    "required": ["why"],
    "properties": {"why": WORDS},
    "additionalProperties": False,
}
DECISION = {
    "type": "object",
    "required": ["decision", "reason"],
    "properties": {
        "decision": {"enum": ["approve", "refuse"]},
        "reason": WORDS,
        "by": {"type": "string", "maxLength": 64},
    },
    "additionalProperties": False,
}
OVERLAP_S = 24 * 3600

blueprint.register_error_handler(OAuth2Error, refusal)


def _unreadable(problem: Malformed | UnsupportedMediaType) -> Response:
    """Say in the words of RFC 7591 that the metadata are no JSON object."""
    return refusal(metadata_refused(problem.detail))


blueprint.register_error_handler(Malformed, _unreadable)
blueprint.register_error_handler(UnsupportedMediaType, _unreadable)


@blueprint.get(PATH)
@access.scope(OPERATE, APPS)
def list_clients() -> Response:
    waiting = request.args.get("waiting") == "yes"
    after = request.args.get("after", "")[:21].replace("\0", "")
    with parts().database.snapshot() as session:
        actor = _actor(session)
        every = actor.is_operator or (waiting and actor.is_administrator)
        owner = None if every else actor.sub
        found = registrations.page(session, owner=owner, waiting=waiting, after=after)
        return jsonify(
            clients=[_managed(session, client) for client in found],
            next=found[-1].client_id if len(found) == registrations.PAGE else None,
            administrator=actor.is_administrator,
        )


@blueprint.post(PATH)
@access.scope(OPERATE, APPS)
def register_client() -> Response:
    given = _metadata()
    with parts().database.transaction() as session:
        actor = _actor(session)
        result = registering.register(parts(), session, given, actor, _why(given))
        response = _answer(session, result, 201)
    parts().clients.forget()
    return response


@blueprint.get(f"{PATH}/<client_id>")
@access.scope(OPERATE, APPS)
def show_client(client_id: str) -> Response:
    with parts().database.snapshot() as session:
        actor = _actor(session)
        client = find(session, actor, client_id, to_read=True)
        return _answer(session, registering.Result(client))


@blueprint.put(f"{PATH}/<client_id>")
@access.scope(OPERATE, APPS)
def change_client(client_id: str) -> Response:
    given = _metadata()
    with parts().database.transaction() as session:
        actor = _actor(session)
        client = find(session, actor, client_id)
        result = registering.change(parts(), session, client, given, actor, _why(given))
        response = _answer(session, result)
    parts().clients.forget()
    return response


@blueprint.delete(f"{PATH}/<client_id>")
@access.scope(OPERATE, APPS)
def remove_client(client_id: str) -> Response:
    reason = request.args.get("reason", "")[:500].replace("\0", "") or None
    with parts().database.transaction() as session:
        actor = _actor(session)
        registering.remove(parts(), session, find(session, actor, client_id), actor, reason)
    parts().clients.forget()
    return Response(status=204)


@blueprint.post(f"{PATH}/<client_id>/secret")
@access.scope(OPERATE, APPS)
def rotate_secret(client_id: str) -> Response:
    overlap_s = json_body(ROTATION).get("overlap_s", OVERLAP_S)
    with parts().database.transaction() as session:
        actor = _actor(session)
        client = find(session, actor, client_id)
        result = registering.rotate_secret(parts(), session, client, actor, overlap_s)
        response = _answer(session, result)
    parts().clients.forget()
    return response


@blueprint.post(f"{PATH}/<client_id>/live")
@access.scope(OPERATE, APPS)
def ask_to_go_live(client_id: str) -> Response:
    why = json_body(LIVE)["why"].replace("\0", "")
    with parts().database.transaction() as session:
        actor = _actor(session)
        client = find(session, actor, client_id)
        result = registering.ask_to_go_live(parts(), session, client, actor, why)
        return _answer(session, result, 202)


@blueprint.post(f"{PATH}/<client_id>/decision")
@access.scope(OPERATE, APPS)
def decide(client_id: str) -> Response:
    given = json_body(DECISION)
    with parts().database.transaction() as session:
        actor = _actor(session)
        find(session, actor, client_id, to_read=True)  # what one may not see is not there
        client = registrations.get(session, client_id, to_change=True)
        assert client is not None  # noqa: S101 (it was found in this transaction)
        approving.decide(
            parts(),
            session,
            client,
            actor,
            approve=given["decision"] == "approve",
            reason=given["reason"].replace("\0", ""),
            by=given.get("by"),
        )
        response = _answer(session, registering.Result(client))
    parts().clients.forget()
    return response


@blueprint.put(f"{PATH}/<client_id>/faults")
@access.scope(OPERATE, APPS)
def inject_faults(client_id: str) -> Response:
    given = {name: value for name, value in json_body(teaching.FAULTS).items() if value}
    with parts().database.transaction() as session:
        actor = _actor(session)
        client = find(session, actor, client_id)
        if not registrations.inject(session, client, given):
            raise Conflict(f"Faults are for the sandbox; this program is {client.status}.")
        note(session, actor, "client-faults", client, parts().clock.now(), faults=sorted(given))
        response = _answer(session, registering.Result(client))
    parts().clients.forget()
    return response


def _actor(session: Session) -> Actor:
    return actor_of(session, access.token(), browser.whence())


def _metadata() -> dict[str, Any]:
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON: Content-Type: application/json.")
    data = request.get_data()
    if len(data) > LONGEST_METADATA:
        raise metadata_refused(f"The metadata are longer than {LONGEST_METADATA} bytes.")
    found = parse(data)
    if not isinstance(found, dict):
        raise metadata_refused("The metadata are one JSON object.")
    return found


def _why(given: Mapping[str, Any]) -> str:
    why = given.get("why", "")
    if not isinstance(why, str) or len(why) > WORDS["maxLength"] or "\0" in why:
        raise metadata_refused("why is a text of at most 500 characters.")
    return why


def _managed(session: Session, client: Client, secret: str | None = None) -> dict[str, Any]:
    owner = people.by_subject(session, client.owner) if client.owner else None
    return metadata.managed(
        client,
        registrations.waiting(session, client.client_id),
        registrations.last_decided(session, client.client_id),
        owner.username if owner else None,
        parts().clock.now(),
        secret,
    )


def _answer(session: Session, result: registering.Result, status: int = 200) -> Response:
    response = jsonify(_managed(session, result.client, result.secret))
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
