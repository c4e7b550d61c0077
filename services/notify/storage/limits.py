"""Token buckets and daily counts; both hold when several calls come at once, on either engine."""

from datetime import datetime

from sqlalchemy import delete, literal, select, update
from sqlalchemy.orm import Session

from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import DailyCount, RateBucket


def take(
    session: Session,
    service_id: str,
    key_type: str,
    now: datetime,
    *,
    size: int,
    per_second: float,
    want: int,
    give_back: int = 0,
) -> int:
    """Take up to ``want`` tokens from a bucket and return how many there were.

    The row is locked until the transaction ends (SQLite has one writer anyway).
    """
    key = {"service_id": service_id, "key_type": key_type}
    insert_if_absent(session, RateBucket, **key, millitokens=size * 1000, filled_at=now)
    row = session.execute(
        select(RateBucket.millitokens, RateBucket.filled_at).filter_by(**key).with_for_update()
    ).one()
    # a clock that was set back must not empty the bucket
    elapsed = max((now - row.filled_at).total_seconds(), 0.0)
    there = min(row.millitokens + int(elapsed * per_second * 1000) + give_back * 1000, size * 1000)
    taken = min(want, int(there // 1000))
    session.execute(
        update(RateBucket).filter_by(**key).values(millitokens=there - taken * 1000, filled_at=now),
        execution_options={"synchronize_session": False},
    )
    return taken


def sent_on(session: Session, service_id: str, now: datetime, kind: str) -> int:
    """Return how many messages of a kind a service sent on the day of ``now``."""
    return (
        session.scalar(
            select(DailyCount.count).filter_by(service_id=service_id, day=_day(now), kind=kind)
        )
        or 0
    )


def count_one(session: Session, service_id: str, now: datetime, kind: str, limit: int) -> bool:
    """Count one message, unless the day's limit is reached; return whether it was counted."""
    return count(session, service_id, now, kind, limit, 1)


def count(
    session: Session, service_id: str, now: datetime, kind: str, limit: int, many: int
) -> bool:
    """Count several messages, unless they pass the day's limit; return whether they were."""
    key = {"service_id": service_id, "day": _day(now), "kind": kind}
    insert_if_absent(session, DailyCount, **key, count=0)
    counted = session.execute(
        update(DailyCount)
        .filter_by(**key)
        .where(DailyCount.count + many <= limit)
        .values(count=DailyCount.count + many)
        .returning(literal(1)),
        execution_options={"synchronize_session": False},
    )
    return counted.first() is not None


def forget_counts(session: Session, before: datetime) -> None:
    """Delete the counts of days that are past."""
    session.execute(delete(DailyCount).where(DailyCount.day < _day(before)))


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
