"""What services want to be told, where, and what came of telling them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.orm import Session

from services.notify.domain import lanes
from services.notify.storage.delivery_tables import Callback, CallbackEndpoint
from services.notify.storage.tables import Job, Notification, ReceivedText, Service, Template

KINDS = ("delivery", "received-text", "returned-letter", "complaint")
PAGE_SIZE = 250
PAUSED_FOR = timedelta(minutes=15)
FAILURES_BEFORE_PAUSE = 10
_UNSYNCED: dict[str, Any] = {"synchronize_session": False}


@dataclass(frozen=True)
class Call:
    """A callback with everything that its body and its signature need."""

    callback: Callback
    endpoint: CallbackEndpoint | None
    service: Service
    notification: Notification | None
    received: ReceivedText | None
    template_name: str | None


def tell(
    session: Session,
    kind: str,
    news: Sequence[tuple[str, str | None, dict[str, Any]]],
    now: datetime,
) -> None:
    """Queue a callback for each (service, notification, facts) whose service wants to be told."""
    if not news:
        return
    asked = set(
        session.scalars(
            select(CallbackEndpoint.service_id).where(
                CallbackEndpoint.kind == kind,
                CallbackEndpoint.service_id.in_({service for service, _, _ in news}),
            )
        )
    )
    rows = [
        {
            "id": str(uuid4()),
            "service_id": service,
            "kind": kind,
            "notification_id": notification,
            "facts": facts,
            "state": "pending",
            "attempts": 0,
            "created_at": now,
        }
        for service, notification, facts in news
        if service in asked
    ]
    if rows:
        session.execute(insert(Callback), rows)
        _queue(session, [str(row["id"]) for row in rows], now)


def _queue(session: Session, ids: Sequence[str], now: datetime) -> None:
    session.execute(
        insert(Job),
        [
            {
                "kind": "callback",
                "lane": lanes.CALLBACK,
                "target_id": id_,
                "due_at": now,
                "attempts": 0,
                "created_at": now,
            }
            for id_ in ids
        ],
    )


def endpoints(session: Session, service_id: str) -> list[CallbackEndpoint]:
    """Return where a service wants to be told, by kind."""
    query = select(CallbackEndpoint).where(CallbackEndpoint.service_id == service_id)
    return list(session.scalars(query.order_by(CallbackEndpoint.kind)))


def endpoint(session: Session, service_id: str, kind: str) -> CallbackEndpoint | None:
    """Return where a service wants to be told of something, or None."""
    return session.scalar(
        select(CallbackEndpoint).where(
            CallbackEndpoint.service_id == service_id, CallbackEndpoint.kind == kind
        )
    )


def set_endpoint(
    session: Session, service_id: str, kind: str, endpoint_id: str, sealed: bytes, now: datetime
) -> None:
    """Write down where to tell; an address that replaces another begins without its failures."""
    session.execute(
        delete(CallbackEndpoint).where(
            CallbackEndpoint.service_id == service_id, CallbackEndpoint.kind == kind
        )
    )
    session.execute(
        insert(CallbackEndpoint).values(
            id=endpoint_id,
            service_id=service_id,
            kind=kind,
            sealed=sealed,
            failures=0,
            created_at=now,
        )
    )


def remove_endpoint(session: Session, service_id: str, kind: str) -> bool:
    """Stop telling; return whether there was an address."""
    gone = session.execute(
        delete(CallbackEndpoint)
        .where(CallbackEndpoint.service_id == service_id, CallbackEndpoint.kind == kind)
        .returning(CallbackEndpoint.id)
    )
    return gone.first() is not None


def find(session: Session, service_id: str, callback_id: str) -> Callback | None:
    """Return a callback of the service, or None."""
    return session.scalar(
        select(Callback).where(Callback.id == callback_id, Callback.service_id == service_id)
    )


def page(
    session: Session, service_id: str, state: str | None, older_than: str | None
) -> list[Callback]:
    """Return a service's newest callbacks."""
    query = select(Callback).where(Callback.service_id == service_id)
    if state is not None:
        query = query.where(Callback.state == state)
    if older_than is not None:
        last = find(session, service_id, older_than)
        if last is None:
            return []
        query = query.where(tuple_(Callback.created_at, Callback.id) < (last.created_at, last.id))
    newest = query.order_by(Callback.created_at.desc(), Callback.id.desc())
    return list(session.scalars(newest.limit(PAGE_SIZE)))


def replay(session: Session, service_id: str, callback_id: str, now: datetime) -> bool:
    """Queue a settled callback again under its old id; return whether it was settled."""
    again = session.execute(
        update(Callback)
        .where(
            Callback.id == callback_id,
            Callback.service_id == service_id,
            Callback.state != "pending",
        )
        .values(state="pending", settled_at=None)
        .returning(Callback.id),
        execution_options=_UNSYNCED,
    )
    if again.first() is None:
        return False
    _queue(session, [callback_id], now)
    return True


def calls(session: Session, ids: Sequence[str]) -> dict[str, Call]:
    """Return what is needed to make some callbacks."""
    rows = session.execute(
        select(Callback, CallbackEndpoint, Service, Notification, Template.name)
        .join(Service, Service.id == Callback.service_id)
        .outerjoin(
            CallbackEndpoint,
            (CallbackEndpoint.service_id == Callback.service_id)
            & (CallbackEndpoint.kind == Callback.kind),
        )
        .outerjoin(Notification, Notification.id == Callback.notification_id)
        .outerjoin(
            Template,
            (Template.id == Notification.template_id)
            & (Template.version == Notification.template_version),
        )
        .where(Callback.id.in_(ids))
    ).all()
    texts = {
        row.id: row
        for row in session.scalars(
            select(ReceivedText).where(
                ReceivedText.id.in_(
                    [str(row[0].facts["received"]) for row in rows if "received" in row[0].facts]
                )
            )
        )
    }
    return {
        row[0].id: Call(*row[:4], texts.get(str(row[0].facts.get("received"))), row[4])
        for row in rows
    }


def record(
    session: Session,
    callback_id: str,
    *,
    state: str,
    answered: int | None,
    error: str | None,
    now: datetime,
) -> None:
    """Write down what came of one attempt to tell."""
    session.execute(
        update(Callback)
        .where(Callback.id == callback_id)
        .values(
            state=state,
            attempts=Callback.attempts + 1,
            answered=answered,
            last_error=error,
            settled_at=None if state == "pending" else now,
        ),
        execution_options=_UNSYNCED,
    )


def count_success(session: Session, endpoint_id: str) -> None:
    """Forget an address's failures; a pause ends with it."""
    session.execute(
        update(CallbackEndpoint)
        .where(CallbackEndpoint.id == endpoint_id, CallbackEndpoint.failures > 0)
        .values(failures=0, failing_since=None, paused_until=None),
        execution_options=_UNSYNCED,
    )


def count_failure(session: Session, endpoint_id: str, now: datetime) -> None:
    """Count a failure of an address; after several in a row nothing goes there for a while."""
    row = session.execute(
        update(CallbackEndpoint)
        .where(CallbackEndpoint.id == endpoint_id)
        .values(failures=CallbackEndpoint.failures + 1)
        .returning(CallbackEndpoint.failures, CallbackEndpoint.failing_since),
        execution_options=_UNSYNCED,
    ).first()
    if row is None:
        return
    values: dict[str, Any] = {}
    if row.failing_since is None:
        values["failing_since"] = now
    if row.failures >= FAILURES_BEFORE_PAUSE:
        values["paused_until"] = now + PAUSED_FOR
    if values:
        session.execute(
            update(CallbackEndpoint).where(CallbackEndpoint.id == endpoint_id).values(values),
            execution_options=_UNSYNCED,
        )


def resume(session: Session, endpoint_id: str) -> None:
    """End a pause at once."""
    session.execute(
        update(CallbackEndpoint)
        .where(CallbackEndpoint.id == endpoint_id)
        .values(failures=0, failing_since=None, paused_until=None),
        execution_options=_UNSYNCED,
    )


def forget(session: Session, before: datetime) -> None:
    """Delete the callbacks that were made before a moment."""
    session.execute(
        delete(Callback).where(Callback.created_at < before, Callback.state != "pending")
    )
