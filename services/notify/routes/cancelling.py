"""DELETE of what is scheduled and was not handed over yet."""

from flask import Response, jsonify

from services.notify import schemas
from services.notify.access import caller, notify_key_for
from services.notify.components import components
from services.notify.errors import BadRequestError, NoResultFound
from services.notify.routes.blueprint import v2
from services.notify.routes.reading import shown
from services.notify.storage import notifications as stored
from services.notify.storage import settling
from services.notify.storage.settling import Change


@v2.delete("/v2/notifications/<notification_id>")
@notify_key_for("send")
def cancel_notification(notification_id: str) -> Response:
    """Cancel a scheduled message."""
    wanted = schemas.uuid(schemas.NOTIFICATION_ID, "notification_id", notification_id)
    parts, sender = components(), caller()
    now = parts.clock.now()
    with parts.database.transaction() as session:
        if stored.find(session, sender.service.id, wanted) is None:
            raise NoResultFound
        if not stored.cancel(session, sender.service.id, wanted, now):
            raise BadRequestError("Only a scheduled message that is not due yet can be cancelled")
        settling.change(session, [Change(wanted, "cancelled", "cancelled")], now)
    with parts.database.snapshot() as session:
        row = stored.find(session, sender.service.id, wanted)
    if row is None:
        raise NoResultFound
    return jsonify(shown(row, sender))
