"""Messages that were accepted together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from services.notify.storage.delivery_tables import Bulk
from services.notify.storage.tables import Notification

ROWS_A_PAGE = 1000


@dataclass(frozen=True)
class Row:
    """What became of one row."""

    number: int
    id: str
    status: str
    reason: str | None
    response: str | None


def add(session: Session, **values: Any) -> None:
    """Store a bulk; its messages are stored beside it."""
    session.execute(insert(Bulk).values(**values))


def find(session: Session, service_id: str, bulk_id: str) -> Bulk | None:
    """Return a bulk of the service, or None."""
    return session.scalar(select(Bulk).where(Bulk.id == bulk_id, Bulk.service_id == service_id))


def cancel(session: Session, bulk_id: str, now: datetime) -> None:
    """Write down that it was cancelled."""
    session.execute(
        update(Bulk).where(Bulk.id == bulk_id).values(cancelled_at=now),
        execution_options={"synchronize_session": False},
    )


def progress(session: Session, bulk_id: str) -> tuple[dict[str, int], datetime | None]:
    """Return how many messages have which status, and when the last one changed."""
    rows = session.execute(
        select(Notification.status, func.count(Notification.id), func.max(Notification.updated_at))
        .where(Notification.bulk_id == bulk_id)
        .group_by(Notification.status)
    ).all()
    moments = [row[2] for row in rows if row[2] is not None]
    return {row[0]: row[1] for row in rows}, max(moments, default=None)


def rows(session: Session, bulk_id: str, after: int) -> Sequence[Row]:
    """Return a page of rows with a number above ``after``."""
    found = session.execute(
        select(
            Notification.bulk_row,
            Notification.id,
            Notification.status,
            Notification.status_reason,
            Notification.provider_response,
        )
        .where(Notification.bulk_id == bulk_id, Notification.bulk_row > after)
        .order_by(Notification.bulk_row)
        .limit(ROWS_A_PAGE)
    )
    return [Row(row[0] or 0, *row[1:]) for row in found]
