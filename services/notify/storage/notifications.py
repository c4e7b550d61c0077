"""Accepted notifications, with the job and the remembered answer that commit with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.notify.domain import lanes
from services.notify.storage.tables import Idempotency, Job, Notification, table_of

ANSWERS_ARE_KEPT_FOR = timedelta(hours=24)
PAGE_SIZE = 250
_NEW_NOTIFICATION = insert(table_of(Notification))
_NEW_JOB = insert(table_of(Job))
_EMPTY: dict[str, Any] = {
    column.name: None for column in table_of(Notification).columns if column.nullable
} | {"rate_multiplier": 1, "sheets": 0}


@dataclass(frozen=True)
class Remembered:
    """What was answered under an Idempotency-Key."""

    body_index: str
    sealed_answer: bytes


def remembered(
    session: Session, service_id: str, key_index: str, now: datetime
) -> Remembered | None:
    """Return the answer given under a key within the last day, or None."""
    row = session.execute(
        select(Idempotency.body_index, Idempotency.sealed_answer).where(
            Idempotency.service_id == service_id,
            Idempotency.key_index == key_index,
            Idempotency.created_at > now - ANSWERS_ARE_KEPT_FOR,
        )
    ).first()
    return Remembered(row.body_index, row.sealed_answer) if row else None


def remember(
    session: Session, service_id: str, key_index: str, answer: Remembered, now: datetime
) -> Remembered | None:
    """Keep an answer under a key; return the one that another call kept first, or None.

    PostgreSQL waits for a call that holds the key and is not committed yet; SQLite has one writer.
    """
    session.execute(
        delete(Idempotency).where(
            Idempotency.service_id == service_id,
            Idempotency.key_index == key_index,
            Idempotency.created_at <= now - ANSWERS_ARE_KEPT_FOR,
        )
    )
    kept = insert_if_absent(
        session,
        Idempotency,
        service_id=service_id,
        key_index=key_index,
        body_index=answer.body_index,
        sealed_answer=answer.sealed_answer,
        created_at=now,
    )
    return None if kept else remembered(session, service_id, key_index, now)


def insert_if_absent(session: Session, table: type[Any], **values: Any) -> bool:
    """Insert a row unless its primary key is taken; return whether it was inserted."""
    build = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    # RETURNING tells on both engines; an insert's row count does not
    statement = build(table).values(**values).on_conflict_do_nothing().returning(literal(1))
    return session.execute(statement).first() is not None


def add(session: Session, now: datetime, **values: Any) -> None:
    """Store a notification and the job that delivers it, now or when it is scheduled for."""
    add_all(session, now, [values], lanes.MESSAGE)


def add_all(session: Session, now: datetime, rows: Sequence[Mapping[str, Any]], lane: int) -> None:
    """Store notifications of one kind, and the jobs of those that are still to be delivered."""
    new = {"status": "created", "created_at": now}
    connection = session.connection()  # the ORM would look at each value again
    connection.execute(_NEW_NOTIFICATION, [{**_EMPTY, **new, **row} for row in rows])
    waiting = [
        {
            "kind": "deliver",
            "lane": lane,
            "notification_id": row["id"],
            "due_at": row.get("scheduled_for") or now,
            "attempts": 0,
            "created_at": now,
        }
        for row in rows
        if row.get("status") != "delivered"
    ]
    if waiting:
        connection.execute(_NEW_JOB, waiting)


def cancel(session: Session, service_id: str, notification_id: str, now: datetime) -> bool:
    """Take the job of a scheduled message that no worker has; return whether there was one."""
    return bool(_cancel(session, now, Notification.id == notification_id, service_id))


def cancel_bulk(session: Session, service_id: str, bulk_id: str, now: datetime) -> list[str]:
    """Take the jobs of a bulk's scheduled messages that no worker has; return whose they were."""
    return _cancel(session, now, Notification.bulk_id == bulk_id, service_id)


def _cancel(
    session: Session, now: datetime, which: ColumnElement[bool], service_id: str
) -> list[str]:
    waiting = select(Notification.id).where(
        which,
        Notification.service_id == service_id,
        Notification.status == "created",
        Notification.scheduled_for > now,
    )
    ended = session.execute(
        update(Job)
        .where(
            Job.notification_id.in_(waiting),
            Job.kind == "deliver",
            Job.lease_token.is_(None),
            Job.done_at.is_(None),
            Job.due_at > now,
        )
        .values(done_at=now)
        .returning(Job.notification_id),
        execution_options={"synchronize_session": False},
    )
    return [str(id_) for id_ in ended.scalars()]


def find(session: Session, service_id: str, notification_id: str) -> Notification | None:
    """Return a notification of the service or None."""
    return session.scalar(
        select(Notification).where(
            Notification.id == notification_id, Notification.service_id == service_id
        )
    )


def page(
    session: Session,
    service_id: str,
    key_type: str,
    *,
    channels: list[str],
    statuses: list[str],
    reference_index: str | None,
    older_than: str | None,
    with_bulk: bool = False,
) -> list[Notification]:
    """Return the newest notifications made with keys of this type; empty filters let all pass."""
    query = select(Notification).where(
        Notification.service_id == service_id, Notification.key_type == key_type
    )
    if not with_bulk:
        query = query.where(Notification.bulk_id.is_(None))
    if channels:
        query = query.where(Notification.channel.in_(channels))
    if statuses:
        query = query.where(Notification.status.in_(statuses))
    if reference_index is not None:
        query = query.where(Notification.reference_index == reference_index)
    if older_than is not None:
        last = find(session, service_id, older_than)
        if last is None:
            return []
        query = query.where(
            tuple_(Notification.created_at, Notification.id) < (last.created_at, last.id)
        )
    newest_first = query.order_by(Notification.created_at.desc(), Notification.id.desc())
    return list(session.scalars(newest_first.limit(PAGE_SIZE)))


def forget_answers(session: Session, now: datetime) -> None:
    """Delete the remembered answers that are older than a day."""
    session.execute(delete(Idempotency).where(Idempotency.created_at <= now - ANSWERS_ARE_KEPT_FOR))
