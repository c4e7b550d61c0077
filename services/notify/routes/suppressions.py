"""The suppression list of a service."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from services.notify import phones, schemas, suppressing
from services.notify.access import Caller, caller, notify_key_for
from services.notify.components import components
from services.notify.domain import email_address
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.moments import moment
from services.notify.errors import NoResultFound
from services.notify.routes.blueprint import v2
from services.notify.storage import suppressions
from services.notify.storage.delivery_tables import Suppression

NEW = {
    "type": "object",
    "properties": {
        "email_address": {"type": "string", "format": "email_address"},
        "phone_number": {"type": "string", "format": "phone_number"},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
LIST = {
    "type": "object",
    "properties": {"older_than": schemas.UUID_TEXT},
    "additionalProperties": False,
}
SUPPRESSION_ID = {"type": "object", "properties": {"suppression_id": schemas.UUID_TEXT}}


@v2.get("/v2/suppressions")
@notify_key_for("manage")
def list_suppressions() -> Response:
    """Return the newest entries."""
    query = schemas.check(request.args.to_dict(), LIST)
    older_than = str(UUID(query["older_than"])) if "older_than" in query else None
    sender = caller()
    with components().database.snapshot() as session:
        rows = suppressions.page(session, sender.service.id, older_than)
    address = f"{components().settings.public_url}/v2/suppressions"
    links = {"current": address}
    if rows:
        links["next"] = f"{address}?older_than={rows[-1].id}"
    return jsonify(suppressions=[_shown(row, sender) for row in rows], links=links)


@v2.post("/v2/suppressions")
@notify_key_for("manage")
def add_suppression() -> tuple[Response, int]:
    """Write to this recipient no more."""
    sender, parts = caller(), components()
    country = COUNTRIES[sender.service.country]
    body = schemas.check(schemas.body(), NEW, country=country)
    if "email_address" in body:
        channel, address = "email", email_address.parse(body["email_address"])
    else:
        channel, address = "sms", phones.parse(body["phone_number"], country).digits
    with parts.database.transaction() as session:
        entry = suppressing.suppress(
            session,
            parts.vault,
            sender.service,
            address,
            channel,
            suppressing.ADDED,
            parts.clock.now(),
        )
        row = suppressions.find(session, sender.service.id, entry)
    if row is None:
        raise NoResultFound
    return jsonify(_shown(row, sender)), 201


@v2.delete("/v2/suppressions/<suppression_id>")
@notify_key_for("manage")
def remove_suppression(suppression_id: str) -> tuple[str, int]:
    """Write to this recipient again."""
    wanted = schemas.uuid(SUPPRESSION_ID, "suppression_id", suppression_id)
    with components().database.transaction() as session:
        if not suppressions.remove(session, caller().service.id, wanted):
            raise NoResultFound
    return "", 204


def _shown(row: Suppression, sender: Caller) -> dict[str, Any]:
    address = sender.lasting_vault.open(f"suppression/{row.id}", row.sealed)
    return {
        "id": row.id,
        "type": row.channel,
        "email_address": address if row.channel == "email" else None,
        "phone_number": address if row.channel == "sms" else None,
        "reason": row.reason,
        "created_at": moment(row.created_at),
    }
