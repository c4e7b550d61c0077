"""Many messages with one call: every row is checked before any is accepted."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from flask import Response, jsonify, request
from sqlalchemy.orm import Session

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key, notify_key_for
from services.notify.components import components
from services.notify.domain import keeping, lanes, reasons, statuses, table
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.moments import moment
from services.notify.errors import (
    BadRequestError,
    NoResultFound,
    TooManyRequestsError,
    V2Error,
    ValidationError,
)
from services.notify.routes.blueprint import v2
from services.notify.routes.composed import Composed
from services.notify.routes.composing import compose_email, compose_sms
from services.notify.routes.posting import (
    answer_once,
    check_permission,
    earlier_answer,
    retry_key,
)
from services.notify.routes.recipients import check_rate, daily_limit, seconds_left
from services.notify.storage import bulks, limits, settling, templates
from services.notify.storage import notifications as stored
from services.notify.storage.delivery_tables import Bulk
from services.notify.storage.settling import Change

MAX_FAULTS = 500
MAX_BODY_BYTES = 10 * 1024 * 1024
_COMPOSE = {"sms": compose_sms, "email": compose_email}
_SCHEMAS = {"sms": schemas.SMS, "email": schemas.EMAIL}
_RECIPIENTS = {"sms": "phone_number", "email": "email_address"}
_SENDERS = {"sms": "sms_sender_id", "email": "email_reply_to_id"}
BULK = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "template_id": schemas.UUID_TEXT,
        "rows": {"type": "array", "items": {"type": "array"}},
        "csv": {"type": "string"},
        "scheduled_for": {"type": ["string", "null"], "format": "within_a_week"},
        "reply_to_id": schemas.UUID_TEXT,
    },
    "required": ["name", "template_id"],
    "additionalProperties": False,
}
PAGE = {
    "type": "object",
    "properties": {"after": {"type": "string", "pattern": "^[0-9]{1,6}$"}},
    "additionalProperties": False,
}
BULK_ID = {"type": "object", "properties": {"bulk_id": schemas.UUID_TEXT}}


class RowsRefused(V2Error):
    """Some rows break a rule; each is named, and nothing was accepted."""

    def __init__(self, faults: Sequence[dict[str, Any]]) -> None:
        super().__init__(*(fault["message"] for fault in faults))
        self.faults = faults


@v2.post("/v2/notifications/bulk")
@notify_key_for("send")
def send_bulk() -> tuple[Response, int]:
    """Accept a message for each row, or none."""
    parts, sender = components(), caller()
    now = parts.clock.now()
    check_rate(sender, None)  # its rows are counted when they are stored
    request.max_content_length = MAX_BODY_BYTES
    body = schemas.check(schemas.body(), BULK, now=now)
    retry = retry_key(sender, "bulk")
    body_index = parts.vault.index("body", json.dumps(body, sort_keys=True))
    with parts.database.snapshot() as session:
        if retry and (again := earlier_answer(session, sender, retry, body_index)):
            return again
        template = templates.find(session, sender.service.id, str(UUID(body["template_id"])))
        if template is None or template.is_hidden:
            raise BadRequestError("Template not found")
        if template.type not in _COMPOSE:
            raise BadRequestError(f"{template.type} template is not suitable for bulk notification")
        check_permission(sender, template.type)
        bulk_id = str(uuid4())
        composed = _composed(session, sender, body, template.type, bulk_id)
    when = body.get("scheduled_for")
    due = schemas.moment_ahead(when, now) if when else None
    row = {
        "id": bulk_id,
        "service_id": sender.service.id,
        "key_id": sender.key_id,
        "key_type": sender.key_type,
        "channel": template.type,
        "template_id": template.id,
        "template_version": template.version,
        "sealed": sender.lasting_vault.seal(f"bulk/{bulk_id}", {"name": body["name"]}),
        "count": len(composed),
        "scheduled_for": due,
        "created_at": now,
    }
    answer = {"data": _shown(Bulk(**row), sender, {}, None)}
    rows = _rows(sender, composed, bulk_id, due)
    with parts.database.transaction() as session:
        if retry and (again := answer_once(session, sender, retry, body_index, answer)):
            return again
        bulks.add(session, **row)
        stored.add_all(session, now, rows, lanes.BULK)
        if sender.key_type != "test":
            _count(session, sender, composed, now)
    return jsonify(answer), 201


def _composed(
    session: Session, sender: Caller, body: dict[str, Any], channel: str, bulk_id: str
) -> list[Composed]:
    """Compose every row, or refuse them all and name each fault."""
    try:
        lines = table.bodies(_lines(body), channel)
    except table.UnusableTable as fault:
        raise ValidationError(str(fault)) from None
    now, country = components().clock.now(), COUNTRIES[sender.service.country]
    common: dict[str, Any] = {"template_id": body["template_id"]}
    if "reply_to_id" in body:
        common[_SENDERS[channel]] = body["reply_to_id"]
    check = schemas.checker(_SCHEMAS[channel], now=now, country=country)
    composed: list[Composed] = []
    faults: list[dict[str, Any]] = []
    for number, (recipient, values) in enumerate(lines, 1):
        one = common | {_RECIPIENTS[channel]: recipient, "personalisation": values}
        try:
            check(one)
            new_id = str(uuid5(UUID(bulk_id), str(number)))
            composed.append(_COMPOSE[channel](session, sender, one, new_id))
        except V2Error as refused:
            faults += [
                {"error": refused.error, "message": f"Row {number} - {message}", "row": number}
                for message in refused.messages
            ]
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise RowsRefused(faults=faults)
    return composed


def _lines(body: dict[str, Any]) -> Sequence[Sequence[Any]]:
    if ("rows" in body) == ("csv" in body):
        raise ValidationError("You should specify either rows or csv")
    rows: Sequence[Sequence[Any]] = body["rows"] if "rows" in body else table.from_csv(body["csv"])
    if rows and (long := table.too_long(rows)):
        raise RowsRefused(
            faults=[
                {
                    "error": "ValidationError",
                    "message": f"Row {number} - has more values than the header",
                    "row": number,
                }
                for number in long[:MAX_FAULTS]
            ]
        )
    return rows


def _rows(
    sender: Caller, composed: list[Composed], bulk_id: str, due: datetime | None
) -> list[dict[str, Any]]:
    """Return what is stored of each row; nothing is sent to simulated recipients."""
    vault = sender.vault
    rows = []
    for number, each in enumerate(composed, 1):
        row = replace(each, scheduled_for=due).row(sender, vault)
        if each.is_smoke_test:
            row["status"] = "delivered"
        rows.append(row | {"bulk_id": bulk_id, "bulk_row": number})
    return rows


def _count(session: Session, sender: Caller, composed: list[Composed], now: datetime) -> None:
    """Count all of it to the day's limits, or refuse it whole."""
    kinds: dict[str, int] = {}
    for each in composed:
        for kind in each.counted_as:
            kinds[kind] = kinds.get(kind, 0) + 1
    for kind, count in kinds.items():
        limit = daily_limit(sender, kind)
        if not limits.count(session, sender.service.id, now, kind, limit, count):
            raise TooManyRequestsError(kind, limit, seconds_left(now))


@v2.get("/v2/notifications/bulk/<bulk_id>")
@notify_key
def show_bulk(bulk_id: str) -> Response:
    """Return how far a bulk is, and what became of each row."""
    wanted = schemas.uuid(BULK_ID, "bulk_id", bulk_id)
    query = schemas.check(request.args.to_dict(), PAGE)
    sender, parts = caller(), components()
    with parts.database.snapshot() as session:
        bulk = bulks.find(session, sender.service.id, wanted)
        if bulk is None:
            raise NoResultFound
        counts, last = bulks.progress(session, wanted)
        rows = bulks.rows(session, wanted, int(query.get("after", 0)))
    address = f"{parts.settings.public_url}/v2/notifications/bulk/{wanted}"
    links = {"current": address}
    if len(rows) == bulks.ROWS_A_PAGE:
        links["next"] = f"{address}?after={rows[-1].number}"
    return jsonify(
        data=_shown(bulk, sender, counts, last),
        rows=[
            {
                "row": row.number,
                "id": row.id,
                "status": row.status,
                "status_description": reasons.sentence(row.reason),
                "provider_response": row.response,
            }
            for row in rows
        ],
        links=links,
    )


@v2.delete("/v2/notifications/bulk/<bulk_id>")
@notify_key_for("send")
def cancel_bulk(bulk_id: str) -> Response:
    """Cancel a scheduled bulk before it is due."""
    wanted = schemas.uuid(BULK_ID, "bulk_id", bulk_id)
    sender, parts = caller(), components()
    now = parts.clock.now()
    with parts.database.transaction() as session:
        bulk = bulks.find(session, sender.service.id, wanted)
        if bulk is None:
            raise NoResultFound
        ended = stored.cancel_bulk(session, sender.service.id, wanted, now)
        if not ended:
            raise BadRequestError("Only a scheduled bulk that is not due yet can be cancelled")
        bulks.cancel(session, wanted, now)
        settling.change(session, [Change(id_, "cancelled", "cancelled") for id_ in ended], now)
    with parts.database.snapshot() as session:
        again = bulks.find(session, sender.service.id, wanted) or bulk
        counts, last = bulks.progress(session, wanted)
    return jsonify(data=_shown(again, sender, counts, last))


def _shown(
    bulk: Bulk, sender: Caller, counts: dict[str, int], last: datetime | None
) -> dict[str, Any]:
    state = _state(bulk, counts)
    private = sender.lasting_vault.open(f"bulk/{bulk.id}", bulk.sealed)
    return {
        "id": bulk.id,
        "job_status": state,
        "notification_count": bulk.count,
        "original_file_name": private["name"],
        "template": bulk.template_id,
        "template_version": bulk.template_version,
        "template_type": bulk.channel,
        "service": bulk.service_id,
        "service_name": {"name": sender.service.name["en"]},
        "api_key": {"id": bulk.key_id, "key_type": bulk.key_type},
        "created_at": moment(bulk.created_at),
        "scheduled_for": moment(bulk.scheduled_for),
        "processing_finished": moment(last) if state == "finished" else None,
        "statistics": [{"status": name, "count": n} for name, n in sorted(counts.items())],
    }


def _state(bulk: Bulk, counts: dict[str, int]) -> str:
    if bulk.cancelled_at is not None:
        return "cancelled"
    if bulk.scheduled_for is not None and bulk.scheduled_for > components().clock.now():
        return "scheduled"
    if not counts or set(counts) == {"created"}:
        # without any message left: all were removed at retention
        age = components().clock.now() - bulk.created_at
        is_old = not counts and age > timedelta(days=keeping.SHORTEST)
        return "finished" if is_old else "pending"
    return "finished" if set(counts) <= statuses.FINAL else "in progress"
