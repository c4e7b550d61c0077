"""GET one notification and a page of them."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Response, jsonify, request

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key
from services.notify.components import components
from services.notify.domain import costs, reasons, statuses
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.moments import moment
from services.notify.errors import NoResultFound
from services.notify.routes.blueprint import v2
from services.notify.storage import notifications as stored
from services.notify.storage.tables import Notification


@v2.get("/v2/notifications/<notification_id>")
@notify_key
def get_notification(notification_id: str) -> Response:
    """Return one notification of the service, whatever key it was made with."""
    wanted = schemas.uuid(schemas.NOTIFICATION_ID, "notification_id", notification_id)
    with components().database.snapshot() as session:
        row = stored.find(session, caller().service.id, wanted)
    if row is None:
        raise NoResultFound
    return jsonify(shown(row, caller()))


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
            with_bulk="include_jobs" in query,
        )
    address = f"{parts.settings.public_url}/v2/notifications"
    links = {"current": f"{address}?{urlencode(query, doseq=True)}" if query else address}
    if rows:  # even on the last page: the clients' iterators look for the id in it
        following = urlencode(query | {"older_than": rows[-1].id}, doseq=True)
        links["next"] = f"{address}?{following}"
    return jsonify(notifications=[shown(row, sender) for row in rows], links=links)


def shown(row: Notification, sender: Caller) -> dict[str, Any]:
    """Write a notification as the API shows it: every member always there."""
    parts = components()
    private = sender.vault.open(f"notification/{row.id}", row.sealed)
    is_letter = row.channel == "letter"
    version = f"{row.template_id}/version/{row.template_version}"
    written = private.get("written_lines") or [None] * 7
    answer = {
        "id": row.id,
        "reference": private["reference"],
        "email_address": private["recipient"] if row.channel == "email" else None,
        "phone_number": private["recipient"] if row.channel == "sms" else None,
        **{f"line_{number}": line for number, line in enumerate(written[:6], 1)},
        "postcode": written[6],
        "type": row.channel,
        "status": statuses.shown(row.channel, row.status),
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
        "scheduled_for": moment(row.scheduled_for),
        "postage": row.postage,
        "one_click_unsubscribe_url": private["unsubscribe"],
        "status_description": reasons.sentence(row.status_reason),
        "provider_response": row.provider_response,
        **_costs(row, sender),
    }
    if is_letter:
        answer["estimated_delivery"] = moment(statuses.arrives(row.created_at, row.postage))
    return answer


def _costs(row: Notification, sender: Caller) -> dict[str, Any]:
    country = COUNTRIES[sender.service.country]
    details: dict[str, Any] = {}
    total: float | None = 0.0
    is_ready = True
    if row.channel == "letter":
        is_ready = row.sheets > 0 or row.status in costs.NEVER_CHARGED
        if is_ready:
            details, total = costs.of_letter(country, row.status, row.sheets, row.postage)
    elif row.channel == "sms":
        is_ready = row.status != "created"
        if is_ready:
            details, total = costs.of_text(country, row.fragments, row.rate_multiplier)
    return {
        "cost_details": details,
        "cost_in_pounds": total if is_ready else None,
        "is_cost_data_ready": is_ready,
    }
