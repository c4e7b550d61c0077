"""POST /v2/notifications/<channel>, GET one and GET a page of them."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from flask import Response, jsonify, request
from sqlalchemy.orm import Session

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key
from services.notify.components import components
from services.notify.domain import phone, statuses
from services.notify.errors import (
    BadRequestError,
    ConflictError,
    NoResultFound,
    ValidationError,
)
from services.notify.routes.blueprint import v2
from services.notify.routes.composing import Composed, compose_email, compose_sms
from services.notify.storage import notifications as stored
from services.notify.storage import services
from services.notify.storage.notifications import Remembered
from services.notify.storage.tables import Notification

_PLURALS = {"sms": "text messages", "email": "emails", "letter": "letters"}


@v2.post("/v2/notifications/sms")
@notify_key
def send_sms() -> tuple[Response, int]:
    """Accept a text message."""
    sender = caller()
    body = schemas.check(
        schemas.body(),
        schemas.SMS,
        now=components().clock.now(),
        country=phone.COUNTRIES[sender.service.country],
    )
    check_permission(sender, "sms")
    return _accept(sender, "sms", body)


@v2.post("/v2/notifications/email")
@notify_key
def send_email() -> tuple[Response, int]:
    """Accept an email."""
    sender = caller()
    body = schemas.check(schemas.body(), schemas.EMAIL, now=components().clock.now())
    check_permission(sender, "email")
    return _accept(sender, "email", body)


@v2.post("/v2/notifications/letter")
@notify_key
def send_letter() -> tuple[Response, int]:
    """Refuse a letter: no service of the platform may send letters yet."""
    body = schemas.body()
    is_precompiled = isinstance(body, dict) and "content" in body
    schemas.check(body, schemas.PRECOMPILED_LETTER if is_precompiled else schemas.LETTER)
    check_permission(caller(), "letter")
    raise BadRequestError("Letters are not available on this platform")


@v2.get("/v2/notifications/<notification_id>")
@notify_key
def get_notification(notification_id: str) -> Response:
    """Return one notification of the service, whatever key it was made with."""
    wanted = schemas.uuid(schemas.NOTIFICATION_ID, "notification_id", notification_id)
    with components().database.snapshot() as session:
        row = stored.find(session, caller().service.id, wanted)
    if row is None:
        raise NoResultFound
    return jsonify(shown(row))


@v2.get("/v2/notifications")
@notify_key
def list_notifications() -> Response:
    """Return the newest notifications made with this type of key."""
    query: dict[str, Any] = request.args.to_dict(flat=False)
    for single in ("reference", "older_than", "include_jobs"):
        if single in query:
            query[single] = query[single][0]
    schemas.check(query, schemas.LIST)
    parts, sender = components(), caller()
    reference = query.get("reference")
    with parts.database.snapshot() as session:
        rows = stored.page(
            session,
            sender.service.id,
            sender.key_type,
            channels=query.get("template_type", []),
            statuses=statuses.meant_by(query.get("status", [])),
            reference_index=parts.vault.index("reference", reference) if reference else None,
            older_than=str(UUID(query["older_than"])) if "older_than" in query else None,
        )
    address = f"{parts.settings.public_url}/v2/notifications"
    links = {"current": f"{address}?{urlencode(query, doseq=True)}" if query else address}
    if rows:  # even on the last page: the clients' iterators look for the id in it
        following = urlencode(query | {"older_than": rows[-1].id}, doseq=True)
        links["next"] = f"{address}?{following}"
    return jsonify(notifications=[shown(row) for row in rows], links=links)


def check_permission(sender: Caller, channel: str) -> None:
    """Refuse a channel that the service may not use."""
    if channel not in sender.service.permissions:
        raise BadRequestError(f"Service is not allowed to send {_PLURALS[channel]}")


def _accept(sender: Caller, channel: str, body: dict[str, Any]) -> tuple[Response, int]:
    parts = components()
    now = parts.clock.now()
    retry = _retry_key(sender, channel)
    body_index = parts.vault.index("body", json.dumps(body, sort_keys=True))
    with parts.database.snapshot() as session:
        if retry and (earlier := stored.remembered(session, sender.service.id, retry, now)):
            return _answer_again(sender, retry, earlier, body_index)
        composed = _compose(session, sender, channel, body)
    answer = _answer(sender, composed)
    if composed.is_smoke_test:
        return jsonify(answer), 201  # checked like any other, stored and sent like none
    with parts.database.transaction() as session:
        if retry:
            kept = Remembered(body_index, parts.vault.seal(_place(sender, retry), answer))
            earlier = stored.remember(session, sender.service.id, retry, kept, now)
            if earlier is not None:
                return _answer_again(sender, retry, earlier, body_index)
        stored.add(session, now, **composed.row(sender, parts.vault))
    return jsonify(answer), 201


def _compose(session: Session, sender: Caller, channel: str, body: dict[str, Any]) -> Composed:
    template = services.template(session, sender.service.id, str(UUID(body["template_id"])))
    compose = compose_sms if channel == "sms" else compose_email
    composed = compose(sender, template, body, new_id=str(uuid4()))
    if sender.key_type == "team" and not services.is_guest(
        session, sender.service.id, components().vault.index("recipient", composed.address)
    ):
        raise BadRequestError("Can’t send to this recipient using a team-only API key")
    composed.check_recipient(sender)
    composed.check_length()
    return composed


def _retry_key(sender: Caller, channel: str) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise ValidationError("Idempotency-Key must have 1 to 255 characters")
    return components().vault.index("retry", f"{sender.key_type}:{channel}:{key}")


def _place(sender: Caller, retry: str) -> str:
    return f"idempotency/{sender.service.id}/{retry}"


def _answer_again(
    sender: Caller, retry: str, earlier: Remembered, body_index: str
) -> tuple[Response, int]:
    if earlier.body_index != body_index:
        raise ConflictError(
            "This Idempotency-Key was used for another message within the last 24 hours. "
            "Nothing was sent. Use a new key for a new message."
        )
    return jsonify(components().vault.open(_place(sender, retry), earlier.sealed_answer)), 201


def _answer(sender: Caller, composed: Composed) -> dict[str, Any]:
    root = components().settings.public_url
    template = composed.template
    answer: dict[str, Any] = {
        "id": composed.id,
        "reference": composed.reference,
        "uri": f"{root}/v2/notifications/{composed.id}",
        "template": {
            "id": template.id,
            "version": template.version,
            "uri": f"{root}/services/{sender.service.id}/templates/{template.id}",
        },
        "scheduled_for": None,
        "content": composed.content(),
    }
    if composed.channel == "email":
        answer["sanitised_content"] = composed.sanitised
    return answer


def shown(row: Notification) -> dict[str, Any]:
    """Write a notification as the API shows it: every member always there."""
    parts = components()
    private = parts.vault.open(f"notification/{row.id}", row.sealed)
    is_sms = row.channel == "sms"
    is_priced = not is_sms or row.status != "created"
    costs = {
        "billable_sms_fragments": row.fragments,
        "international_rate_multiplier": 1,
        "sms_rate": 0.0,
    }
    version = f"{row.template_id}/version/{row.template_version}"
    return {
        "id": row.id,
        "reference": private["reference"],
        "email_address": None if is_sms else private["recipient"],
        "phone_number": private["recipient"] if is_sms else None,
        **{f"line_{number}": None for number in range(1, 7)},
        "postcode": None,
        "type": row.channel,
        "status": row.status,
        "template": {
            "id": row.template_id,
            "version": row.template_version,
            "uri": f"{parts.settings.public_url}/v2/template/{version}",
        },
        "body": private["body"],
        "subject": private["subject"],
        "created_at": moment(row.created_at),
        "created_by_name": None,
        "sent_at": moment(row.sent_at),
        "completed_at": moment(row.updated_at) if row.status in statuses.COMPLETED else None,
        "scheduled_for": None,
        "postage": None,
        "one_click_unsubscribe_url": private["unsubscribe"],
        "cost_details": costs if is_sms and is_priced else {},
        "cost_in_pounds": 0.0 if is_priced else None,
        "is_cost_data_ready": is_priced,
    }


def moment(value: Any) -> str | None:
    """Write a moment as the API does, with microseconds."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None
