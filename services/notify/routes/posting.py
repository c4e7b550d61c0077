"""From a POST to its 201: limits, retries under an Idempotency-Key, and the one commit."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from flask import Response, jsonify, request
from sqlalchemy.orm import Session

from services.notify import schemas
from services.notify.access import Caller
from services.notify.components import components, end_reading, reading
from services.notify.domain.moments import moment
from services.notify.errors import (
    BadRequestError,
    ConflictError,
    TooManyRequestsError,
    ValidationError,
)
from services.notify.routes.composed import Composed
from services.notify.routes.recipients import daily_limit, seconds_left
from services.notify.storage import contents, limits, templates
from services.notify.storage import notifications as stored
from services.notify.storage.notifications import Remembered

Compose = Callable[[Session, Caller, dict[str, Any], str], Composed]
_PLURALS = {"sms": "text messages", "email": "emails", "letter": "letters"}


def check_permission(sender: Caller, channel: str) -> None:
    """Refuse a channel that the service may not use."""
    if channel not in sender.service.permissions:
        raise BadRequestError(f"Service is not allowed to send {_PLURALS[channel]}")
    until = sender.service.email_paused_until
    if channel == "email" and until is not None and until > components().clock.now():
        raise BadRequestError(
            f"Emails of this service are paused until {moment(until)}: too many addresses do not "
            "exist. Look at GET /v2/suppressions and correct your list.",
            status=403,
        )


def accept(
    sender: Caller, channel: str, body: dict[str, Any], compose: Compose
) -> tuple[Response, int]:
    """Compose a message, store it with its job and its answer in one transaction, answer 201."""
    parts = components()
    now = parts.clock.now()
    retry = retry_key(sender, channel)
    body_index = parts.vault.index("body", json.dumps(body, sort_keys=True)) if retry else ""
    with reading() as session:
        if retry and (again := earlier_answer(session, sender, retry, body_index)):
            return again
        composed = compose(session, sender, body, str(uuid4()))
    if body.get("scheduled_for"):
        when = schemas.moment_ahead(body["scheduled_for"], now)
        composed = replace(composed, scheduled_for=when)
    end_reading()
    answer = composed.answer(sender, parts.settings.public_url)
    if composed.is_smoke_test:
        return jsonify(answer), 201  # checked like any other, stored and sent like none
    row = composed.row(sender, sender.vault)
    with parts.database.transaction() as session:
        if retry and (again := answer_once(session, sender, retry, body_index, answer)):
            return again
        _store(session, sender, composed, row)
    return jsonify(answer), 201


def _store(session: Session, sender: Caller, composed: Composed, row: dict[str, Any]) -> None:
    now = components().clock.now()
    stored.add(session, now, **row)
    for document in composed.documents:
        contents.add_document(session, now, **document.values(now))
    if composed.pdf is not None:
        templates.ensure_precompiled(session, sender.service.id, now)
        place = f"letter/{composed.id}"
        sealed = sender.vault.seal_bytes(place, composed.pdf)
        contents.add_letter(
            session, composed.id, is_precompiled=True, sealed_pdf=sealed, made_at=now
        )
    if sender.key_type == "test":
        return
    for kind in composed.counted_as:  # last: the counter's row is locked until the commit
        limit = daily_limit(sender, kind)
        if not limits.count_one(session, sender.service.id, now, kind, limit):
            raise TooManyRequestsError(kind, limit, seconds_left(now))


def retry_key(sender: Caller, channel: str) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise ValidationError("Idempotency-Key must have 1 to 255 characters")
    return components().vault.index("retry", f"{sender.key_type}:{channel}:{key}")


def earlier_answer(
    session: Session, sender: Caller, retry: str, body_index: str
) -> tuple[Response, int] | None:
    """Return the answer that was given under this key, or None. Raises ConflictError."""
    now = components().clock.now()
    earlier = stored.remembered(session, sender.service.id, retry, now)
    return _answer_again(sender, retry, earlier, body_index) if earlier else None


def answer_once(
    session: Session, sender: Caller, retry: str, body_index: str, answer: Any
) -> tuple[Response, int] | None:
    """Keep an answer under its key; return the one that another call kept first, or None."""
    kept = Remembered(body_index, sender.lasting_vault.seal(_place(sender, retry), answer))
    now = components().clock.now()
    earlier = stored.remember(session, sender.service.id, retry, kept, now)
    return _answer_again(sender, retry, earlier, body_index) if earlier else None


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
    return jsonify(sender.lasting_vault.open(_place(sender, retry), earlier.sealed_answer)), 201
