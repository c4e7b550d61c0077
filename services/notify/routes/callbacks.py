"""Where a service wants to be told, what it was told, and telling it again."""

import base64
import secrets
from typing import Any, TypeVar
from uuid import UUID, uuid4

from flask import Response, jsonify, request

from servicekit import guarded
from services.notify import schemas, telling
from services.notify.access import Caller, caller, notify_key_for
from services.notify.components import components
from services.notify.domain.moments import moment
from services.notify.domain.telling import SECRET_PREFIX
from services.notify.errors import BadRequestError, NoResultFound, ValidationError
from services.notify.routes.blueprint import v2
from services.notify.storage import callbacks
from services.notify.storage.delivery_tables import Callback, CallbackEndpoint

T = TypeVar("T")
ENDPOINT = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "maxLength": guarded.LONGEST_ADDRESS},
        "bearer_token": {"type": "string", "minLength": 10, "maxLength": 1000},
    },
    "required": ["url", "bearer_token"],
    "additionalProperties": False,
}
CALLBACK_ID = {"type": "object", "properties": {"callback_id": schemas.UUID_TEXT}}
LIST = {
    "type": "object",
    "properties": {
        "state": {"enum": ["pending", "delivered", "dead"]},
        "older_than": schemas.UUID_TEXT,
    },
    "additionalProperties": False,
}


@v2.get("/v2/callbacks/endpoints")
@notify_key_for("callbacks")
def list_endpoints() -> Response:
    """Return where the service wants to be told of what."""
    with components().database.snapshot() as session:
        rows = callbacks.endpoints(session, caller().service.id)
    return jsonify(endpoints=[_endpoint(row, caller()) for row in rows])


@v2.put("/v2/callbacks/endpoints/<kind>")
@notify_key_for("callbacks")
def set_endpoint(kind: str) -> tuple[Response, int]:
    """Say where to tell; the answer holds the signing secret, which is shown this once."""
    body = schemas.check(schemas.body(), ENDPOINT)
    parts, sender = components(), caller()
    _check_kind(kind)
    token = body["bearer_token"]
    if not token.isascii() or not token.isprintable():
        raise ValidationError("bearer_token must be printable ASCII")
    _check_address(body["url"])
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()
    place = {"url": body["url"], "token": token, "secret": secret}
    endpoint_id = str(uuid4())
    sealed = sender.lasting_vault.seal(f"callback_endpoint/{endpoint_id}", place)
    now = parts.clock.now()
    with parts.database.transaction() as session:
        callbacks.set_endpoint(session, sender.service.id, kind, endpoint_id, sealed, now)
        row = _find(callbacks.endpoint(session, sender.service.id, kind))
    return jsonify(_endpoint(row, sender) | {"signing_secret": secret}), 201


@v2.delete("/v2/callbacks/endpoints/<kind>")
@notify_key_for("callbacks")
def remove_endpoint(kind: str) -> tuple[str, int]:
    """Stop telling."""
    _check_kind(kind)
    with components().database.transaction() as session:
        if not callbacks.remove_endpoint(session, caller().service.id, kind):
            raise NoResultFound
    return "", 204


@v2.post("/v2/callbacks/endpoints/<kind>/test")
@notify_key_for("callbacks")
def test_endpoint(kind: str) -> Response:
    """Call the address once, now, with a made-up callback, and return what it said."""
    row, sender, parts = _endpoint_of(kind), caller(), components()
    place = telling.address(sender.lasting_vault, row.id, row.sealed)
    now = parts.clock.now()
    example = _example(kind, sender, moment(now))
    hosts = parts.settings.callback_test_hosts
    told = telling.post(place, f"test-{uuid4()}", example, now, hosts)
    return jsonify(delivered=told.is_success, answered=told.answered, error=told.error)


@v2.post("/v2/callbacks/endpoints/<kind>/resume")
@notify_key_for("callbacks")
def resume_endpoint(kind: str) -> Response:
    """End a pause: what waits is sent at its next moment, at the latest in 15 minutes."""
    row, sender = _endpoint_of(kind), caller()
    with components().database.transaction() as session:
        callbacks.resume(session, row.id)
        again = _find(callbacks.endpoint(session, sender.service.id, kind))
    return jsonify(_endpoint(again, sender))


@v2.get("/v2/callbacks")
@notify_key_for("callbacks")
def list_callbacks() -> Response:
    """Return the newest callbacks; ``state=dead`` are those that nobody took."""
    query = schemas.check(request.args.to_dict(), LIST)
    older_than = str(UUID(query["older_than"])) if "older_than" in query else None
    with components().database.snapshot() as session:
        rows = callbacks.page(session, caller().service.id, query.get("state"), older_than)
    address = f"{components().settings.public_url}/v2/callbacks"
    links = {"current": address}
    if rows:
        links["next"] = f"{address}?older_than={rows[-1].id}"
        if "state" in query:
            links["next"] += f"&state={query['state']}"
    return jsonify(callbacks=[_callback(row) for row in rows], links=links)


@v2.post("/v2/callbacks/<callback_id>/replay")
@notify_key_for("callbacks")
def replay_callback(callback_id: str) -> tuple[Response, int]:
    """Tell again what was told or given up; its id stays, so that receivers know it."""
    wanted = schemas.uuid(CALLBACK_ID, "callback_id", callback_id)
    parts, service_id = components(), caller().service.id
    with parts.database.transaction() as session:
        if callbacks.find(session, service_id, wanted) is None:
            raise NoResultFound
        if not callbacks.replay(session, service_id, wanted, parts.clock.now()):
            raise BadRequestError("This callback is still being delivered")
        row = _find(callbacks.find(session, service_id, wanted))
    return jsonify(_callback(row)), 202


def _check_kind(kind: str) -> None:
    if kind not in callbacks.KINDS:
        raise ValidationError(f"kind {kind[:50]} is not one of [{', '.join(callbacks.KINDS)}]")


def _check_address(url: str) -> None:
    try:
        guarded.check_address(url, components().settings.callback_test_hosts)
    except guarded.AddressRefused as refused:
        raise ValidationError(f"url {refused}") from None


def _endpoint_of(kind: str) -> CallbackEndpoint:
    _check_kind(kind)
    with components().database.snapshot() as session:
        return _find(callbacks.endpoint(session, caller().service.id, kind))


def _find(row: T | None) -> T:
    if row is None:
        raise NoResultFound
    return row


def _endpoint(row: CallbackEndpoint, sender: Caller) -> dict[str, Any]:
    place = telling.address(sender.lasting_vault, row.id, row.sealed)
    until = row.paused_until
    is_paused = until is not None and until > components().clock.now()
    return {
        "kind": row.kind,
        "url": place["url"],
        "created_at": moment(row.created_at),
        "failures": row.failures,
        "failing_since": moment(row.failing_since),
        "paused_until": moment(until) if is_paused else None,
    }


def _callback(row: Callback) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "notification_id": row.notification_id,
        "status": row.facts.get("status"),
        "state": row.state,
        "attempts": row.attempts,
        "answered": row.answered,
        "error": row.last_error,
        "created_at": moment(row.created_at),
        "settled_at": moment(row.settled_at),
    }


def _example(kind: str, sender: Caller, now: str | None) -> dict[str, Any]:
    """Return a callback about nothing, in the shape of a real one."""
    nobody = "00000000-0000-4000-8000-000000000000"
    is_home = sender.service.country == "MV"
    number = "+960 7000000" if is_home else "07700 900000"
    if kind == "received-text":
        return {
            "id": nobody,
            "source_number": number,
            "destination_number": number,
            "message": "This is a test.",
            "date_received": now,
        }
    if kind == "complaint":
        return {
            "notification_id": nobody,
            "complaint_id": nobody,
            "reference": "test",
            "to": "nobody@example.com",
            "complaint_date": now,
        }
    about_template = {"template_id": nobody, "template_version": 1}
    if kind == "returned-letter":
        return {
            "notification_id": nobody,
            "reference": "test",
            "date_sent": now,
            "sent_by": None,
            "template_name": "Test",
            **about_template,
            "spreadsheet_file_name": None,
            "spreadsheet_row_number": None,
            "upload_letter_file_name": None,
        }
    return {
        "id": nobody,
        "reference": "test",
        "to": number,
        "status": "delivered",
        "created_at": now,
        "completed_at": now,
        "sent_at": now,
        "notification_type": "sms",
        **about_template,
    }
