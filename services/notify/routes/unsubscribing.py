"""The page behind List-Unsubscribe: one press, or one click of a mail program (RFC 8058)."""

import hmac

from flask import Response, make_response, render_template

from servicekit import access
from servicekit.pages import language
from services.notify import suppressing
from services.notify.components import components
from services.notify.routes.blueprint import own
from services.notify.storage import services, settling
from services.notify.storage.tables import Notification, Service


@own.get("/notify/unsubscribe/<notification_id>/<proof>")
@access.public
def show_unsubscribe(notification_id: str, proof: str) -> Response:
    """Ask whether to stop: a link alone must change nothing, since mail scanners open it."""
    row, service = _of(notification_id, proof)
    if row is None or service is None:
        return _page("unsubscribe_gone", None, 404)
    return _page("unsubscribe_ask", service)


@own.post("/notify/unsubscribe/<notification_id>/<proof>")
@access.public
def unsubscribe(notification_id: str, proof: str) -> Response:
    """Put the recipient on the service's suppression list."""
    row, service = _of(notification_id, proof)
    if row is None or service is None:
        return _page("unsubscribe_gone", None, 404)
    parts = components()
    now = parts.clock.now()
    with parts.database.transaction() as session:
        suppressing.bounced(session, parts.vault, [row], suppressing.UNSUBSCRIBED, now)
    return _page("unsubscribe_done", service)


def _of(notification_id: str, proof: str) -> tuple[Notification | None, Service | None]:
    parts = components()
    right = parts.vault.index("unsubscribe", notification_id)[:32]
    if not hmac.compare_digest(right.encode(), proof.encode()):
        return None, None
    with parts.database.snapshot() as session:
        row = settling.found(session, [notification_id]).get(notification_id)
        return row, services.find(session, row.service_id) if row else None


def _page(title: str, service: Service | None, status: int = 200) -> Response:
    name = service.name.get(language(), service.name["en"]) if service else ""
    is_question = title == "unsubscribe_ask"
    response = make_response(
        render_template("unsubscribe.html", title=title, sender=name, asks=is_question), status
    )
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
