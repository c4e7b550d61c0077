"""Token buckets and daily counts; both hold when several calls come at once, on either engine."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, delete, literal, select, update
from sqlalchemy.orm import Session

from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import DailyCount, RateBucket, table_of

_DAY = table_of(DailyCount).c
_OF_DAY = (
    _DAY.service_id == bindparam("of_service"),
    _DAY.day == bindparam("of_day"),
    _DAY.kind == bindparam("of_kind"),
)
# built once: they run with every message
_SENT = select(_DAY.count).where(*_OF_DAY)
_COUNT = (
    update(table_of(DailyCount))
    .where(
        *_OF_DAY,
        _DAY.count + bindparam("many", type_=Integer) <= bindparam("most", type_=Integer),
    )
    .values(count=_DAY.count + bindparam("many", type_=Integer))
    .returning(literal(1))
)


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
    given = {"of_service": service_id, "of_day": _day(now), "of_kind": kind}
    return session.connection().execute(_SENT, given).scalar() or 0


def count_one(session: Session, service_id: str, now: datetime, kind: str, limit: int) -> bool:
    """Count one message, unless the day's limit is reached; return whether it was counted."""
    return count(session, service_id, now, kind, limit, 1)


def count(
    session: Session, service_id: str, now: datetime, kind: str, limit: int, many: int
) -> bool:
    """Count several messages, unless they pass the day's limit; return whether they were."""
    key = {"service_id": service_id, "day": _day(now), "kind": kind}
    given: dict[str, Any] = {"of_service": service_id, "of_day": _day(now), "of_kind": kind}
    given |= {"many": many, "most": limit}
    if session.connection().execute(_COUNT, given).first() is not None:
        return True
    # the day's first message; or the limit is reached; or another call is just making the row
    insert_if_absent(session, DailyCount, **key, count=0)
    return session.connection().execute(_COUNT, given).first() is not None


def forget_counts(session: Session, before: datetime) -> None:
    """Delete the counts of days that are past."""
    session.execute(delete(DailyCount).where(DailyCount.day < _day(before)))


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
