"""GET /v2/received-text-messages: what people texted to a service."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key
from services.notify.components import components
from services.notify.domain.moments import moment
from services.notify.routes.blueprint import v2
from services.notify.storage import contents
from services.notify.storage.tables import ReceivedText


@v2.get("/v2/received-text-messages")
@notify_key
def list_received_texts() -> Response:
    """Return the newest texts that the service received in the last week."""
    query = schemas.check(request.args.to_dict(), schemas.RECEIVED_TEXTS)
    parts, sender = components(), caller()
    older_than = str(UUID(query["older_than"])) if "older_than" in query else None
    with parts.database.snapshot() as session:
        rows = contents.received(session, sender.service.id, parts.clock.now(), older_than)
    address = f"{parts.settings.public_url}/v2/received-text-messages"
    links = {"current": address}
    if rows:  # even on the last page: the clients' iterators look for the id in it
        links["next"] = f"{address}?older_than={rows[-1].id}"
    return jsonify(received_text_messages=[_shown(row, sender) for row in rows], links=links)


def _shown(row: ReceivedText, sender: Caller) -> dict[str, Any]:
    private = sender.vault.open(f"received_text/{row.id}", row.sealed)
    return {
        "id": row.id,
        "created_at": moment(row.created_at),
        "service_id": row.service_id,
        "notify_number": private["notify_number"],
        "user_number": private["user_number"],
        "content": private["content"],
    }
