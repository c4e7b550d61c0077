"""The queue: jobs are claimed for a time (a lease), attempted, and settled by who holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from services.notify.domain import lanes
from services.notify.storage.delivery_tables import Suppression
from services.notify.storage.tables import (
    DeliveryAttempt,
    Job,
    Notification,
    Service,
    WorkerBeat,
)

UNSYNCED: dict[str, Any] = {"synchronize_session": False}


@dataclass(frozen=True)
class Claimed:
    """A message that this worker holds, with what it needs to deliver it.

    interrupted: the provider that a killed worker was calling when it died.
    """

    job_id: int
    lease_token: str
    attempts: int
    notification_id: str
    channel: str
    key_type: str
    recipient_index: str
    sealed: bytes
    service_id: str
    service_key: bytes | None
    keyring: dict[str, str]
    service_name: dict[str, str]
    created_at: datetime
    scheduled_for: datetime | None = None
    rate_multiplier: int = 1
    last_provider: str | None = None
    is_suppressed: bool = False
    interrupted: str | None = None

    @property
    def began_at(self) -> datetime:
        """Return the moment from which it counts as waiting."""
        return max(self.created_at, self.scheduled_for or self.created_at)


@dataclass(frozen=True)
class Errand:
    """Another job that this worker holds: a callback or a chore."""

    job_id: int
    lease_token: str
    kind: str
    attempts: int
    notification_id: str | None
    target_id: str | None
    created_at: datetime


def is_due(
    session: Session, now: datetime, wanted: tuple[int, ...] = lanes.DELIVERY + lanes.ERRANDS
) -> bool:
    """Whether there is anything to claim in some lanes; cheap, and takes no lock."""
    return any(
        session.scalar(
            select(exists().where(Job.done_at.is_(None), Job.lane == lane, Job.due_at <= now))
        )
        for lane in wanted
    )


def claim(
    session: Session, now: datetime, *, token: str, lease_s: float, limit: int
) -> list[Claimed]:
    """Take up to ``limit`` due messages until the lease ends; then they come due by themselves."""
    ids = _take(session, now, lanes.DELIVERY, token, lease_s, limit)
    if not ids:
        return []
    is_suppressed = and_(
        Suppression.service_id == Notification.service_id,
        Suppression.recipient_index == Notification.recipient_index,
    )
    rows = session.execute(
        select(
            Job.id.label("job_id"),
            Job.attempts,
            Job.last_provider,
            Notification.id.label("notification_id"),
            Notification.channel,
            Notification.key_type,
            Notification.recipient_index,
            Notification.sealed,
            Notification.scheduled_for,
            Notification.rate_multiplier,
            Service.id.label("service_id"),
            Service.sealed_key.label("service_key"),
            Service.keyring,
            Service.name.label("service_name"),
            Notification.created_at,
            Suppression.id.is_not(None).label("is_suppressed"),
        )
        .join(Notification, Notification.id == Job.notification_id)
        .join(Service, Service.id == Notification.service_id)
        .outerjoin(Suppression, is_suppressed)
        .where(Job.id.in_(ids))
        .order_by(Job.lane, Notification.created_at, Job.id)
    ).all()
    interrupted = _interrupted(session, [row.notification_id for row in rows if row.attempts > 1])
    return [
        Claimed(
            lease_token=token,
            interrupted=interrupted.get((row.notification_id, row.attempts - 1)),
            **row._mapping,
        )
        for row in rows
    ]


def claim_errands(
    session: Session, now: datetime, *, token: str, lease_s: float, limit: int
) -> list[Errand]:
    """Take up to ``limit`` due callbacks and chores, under the same rules."""
    ids = _take(session, now, lanes.ERRANDS, token, lease_s, limit)
    rows = session.execute(
        select(
            Job.id.label("job_id"),
            Job.kind,
            Job.attempts,
            Job.notification_id,
            Job.target_id,
            Job.created_at,
        )
        .where(Job.id.in_(ids))
        .order_by(Job.id)
    )
    return [Errand(lease_token=token, **row._mapping) for row in rows] if ids else []


def _take(
    session: Session,
    now: datetime,
    wanted: tuple[int, ...],
    token: str,
    lease_s: float,
    limit: int,
) -> list[int]:
    """Take due jobs of some lanes, each lane its share.

    On PostgreSQL rows that another worker is taking are skipped; SQLite has one writer at a time
    (and ignores the lock clause).
    """
    ids: list[int] = []
    lease_until = now + timedelta(seconds=lease_s)
    for lane in wanted:
        share = lanes.share(wanted, lane, limit, len(ids))
        if share == 0:
            break
        due = (
            select(Job.id)
            .where(Job.done_at.is_(None), Job.lane == lane, Job.due_at <= now)
            .order_by(Job.due_at, Job.id)
            .limit(share)
            .with_for_update(skip_locked=True)
            .cte("due")  # evaluated once: as a subquery PostgreSQL may run it again and take more
        )
        taken = session.execute(
            update(Job)
            .where(Job.id.in_(select(due.c.id)))
            .values(
                lease_token=token,
                lease_until=lease_until,
                due_at=lease_until,
                attempts=Job.attempts + 1,
            )
            .returning(Job.id),
            execution_options=UNSYNCED,
        ).scalars()
        ids += taken
    return ids


def _interrupted(session: Session, ids: Sequence[str]) -> dict[tuple[str, int], str]:
    if not ids:
        return {}
    rows = session.execute(
        select(
            DeliveryAttempt.notification_id, DeliveryAttempt.number, DeliveryAttempt.provider
        ).where(DeliveryAttempt.notification_id.in_(ids), DeliveryAttempt.finished_at.is_(None))
    )
    return {(row.notification_id, row.number): row.provider for row in rows}


def add(session: Session, now: datetime, kind: str, lane: int, **values: Any) -> None:
    """Put a job into the queue, due at once unless ``due_at`` says otherwise."""
    session.execute(
        insert(Job).values(
            {"due_at": now}
            | values
            | {"kind": kind, "lane": lane, "attempts": 0, "created_at": now}
        )
    )


def end(session: Session, errand: Errand, now: datetime, error: str | None = None) -> bool:
    """Settle an errand for good, if this worker still holds it; return whether it did."""
    values = {"done_at": now, "due_at": now, "last_error": error}
    return _settle(session, errand, values)


def put_off(
    session: Session, errand: Errand, until: datetime, error: str | None, *, counted: bool = True
) -> bool:
    """Give an errand back until a moment; counted: whether this was an attempt."""
    attempts = Job.attempts if counted else Job.attempts - 1
    return _settle(session, errand, {"due_at": until, "last_error": error, "attempts": attempts})


def _settle(session: Session, errand: Errand, values: dict[str, Any]) -> bool:
    done = session.execute(
        update(Job)
        .where(
            Job.id == errand.job_id,
            Job.lease_token == errand.lease_token,
            Job.done_at.is_(None),
        )
        .values(values | {"lease_token": None, "lease_until": None})
        .returning(Job.id),
        execution_options=UNSYNCED,
    )
    return done.first() is not None


def release(session: Session, jobs: Sequence[Claimed | Errand], now: datetime) -> None:
    """Give back jobs that were not attempted, so that they are due at once."""
    if not jobs:
        return
    session.execute(
        update(Job)
        .where(
            Job.id.in_([job.job_id for job in jobs]),
            Job.lease_token == jobs[0].lease_token,
            Job.done_at.is_(None),
        )
        .values(due_at=now, lease_token=None, lease_until=None),
        execution_options=UNSYNCED,
    )


def forget_done(session: Session, before: datetime) -> None:
    """Delete the jobs that were done before a moment."""
    session.execute(delete(Job).where(Job.done_at < before))


def beat(session: Session, worker: str, now: datetime) -> None:
    """Show that a worker is alive."""
    done = session.execute(
        update(WorkerBeat).where(WorkerBeat.worker == worker).values(seen_at=now),
        execution_options=UNSYNCED,
    )
    assert isinstance(done, CursorResult)  # noqa: S101 (what SQLAlchemy returns for an update)
    if done.rowcount == 0:
        session.execute(insert(WorkerBeat).values(worker=worker, seen_at=now))


def forget_beats(session: Session, before: datetime) -> None:
    """Delete the beats of workers that have not been seen since a moment."""
    session.execute(delete(WorkerBeat).where(WorkerBeat.seen_at < before))


def last_beat(session: Session) -> datetime | None:
    """Return when any worker was last seen."""
    return session.scalar(select(func.max(WorkerBeat.seen_at)))
