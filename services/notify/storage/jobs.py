"""The queue: jobs are claimed for a time (a lease), attempted, and settled by who holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from services.notify.storage.tables import (
    DeliveryAttempt,
    Job,
    Notification,
    Service,
    WorkerBeat,
)


@dataclass(frozen=True)
class Claimed:
    """A job that this worker holds, with what it needs to do it."""

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
    service_name: dict[str, str]
    created_at: datetime


@dataclass(frozen=True)
class Settlement:
    """What came of a job. status: the notification's new one; retry_at: None means done."""

    outcome: str
    status: str | None
    retry_at: datetime | None
    error: str | None


def is_due(session: Session, now: datetime) -> bool:
    """Whether there is anything to claim; cheap, and takes no lock."""
    return bool(session.scalar(select(exists().where(Job.done_at.is_(None), Job.due_at <= now))))


def claim(
    session: Session, now: datetime, *, token: str, lease_s: float, limit: int
) -> list[Claimed]:
    """Take up to ``limit`` due jobs until the lease ends; then they come due by themselves.

    On PostgreSQL rows that another worker is taking are skipped; SQLite has one writer at a time
    (and ignores the lock clause).
    """
    lease_until = now + timedelta(seconds=lease_s)
    due = (
        select(Job.id)
        .where(Job.done_at.is_(None), Job.due_at <= now)
        .order_by(Job.due_at, Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # evaluated once: as a plain subquery PostgreSQL may run it again and take more
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
        execution_options={"synchronize_session": False},
    ).scalars()
    ids = list(taken)
    if not ids:
        return []
    rows = session.execute(
        select(
            Job.id.label("job_id"),
            Job.attempts,
            Notification.id.label("notification_id"),
            Notification.channel,
            Notification.key_type,
            Notification.recipient_index,
            Notification.sealed,
            Service.id.label("service_id"),
            Service.sealed_key.label("service_key"),
            Service.name.label("service_name"),
            Notification.created_at,
        )
        .join(Notification, Notification.id == Job.notification_id)
        .join(Service, Service.id == Notification.service_id)
        .where(Job.id.in_(ids))
        .order_by(Notification.created_at, Job.id)
    )
    return [Claimed(lease_token=token, **row._mapping) for row in rows]


def begin_attempts(
    session: Session, attempts: Sequence[tuple[Claimed, str]], now: datetime
) -> None:
    """Write down, before any call, which provider is about to get which notification."""
    if not attempts:
        return
    session.execute(
        insert(DeliveryAttempt),
        [
            {
                "notification_id": job.notification_id,
                "number": job.attempts,
                "provider": provider,
                "started_at": now,
            }
            for job, provider in attempts
        ],
    )
    session.execute(
        update(Notification)
        .where(
            Notification.id.in_([job.notification_id for job, _ in attempts]),
            Notification.status == "created",
        )
        .values(status="sending"),
        execution_options={"synchronize_session": False},
    )


def settle(session: Session, job: Claimed, result: Settlement, now: datetime) -> bool:
    """Write down what came of a job, if this worker still holds it; return whether it did."""
    done = session.execute(
        update(Job)
        .where(Job.id == job.job_id, Job.lease_token == job.lease_token, Job.done_at.is_(None))
        .values(
            done_at=now if result.retry_at is None else None,
            due_at=result.retry_at or now,
            lease_token=None,
            lease_until=None,
            last_error=result.error,
        ),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(done, CursorResult)  # noqa: S101 (what SQLAlchemy returns for an update)
    session.execute(
        update(DeliveryAttempt)
        .where(
            DeliveryAttempt.notification_id == job.notification_id,
            DeliveryAttempt.number == job.attempts,
        )
        .values(finished_at=now, outcome=result.outcome),
        execution_options={"synchronize_session": False},
    )
    if done.rowcount == 0:
        return False  # the lease ended and another worker has it: what that one writes counts
    if result.status is not None:
        sent = {"sent_at": now} if result.status in ("sending", "sent", "delivered") else {}
        session.execute(
            update(Notification)
            .where(Notification.id == job.notification_id)
            .values(status=result.status, updated_at=now, **sent),
            execution_options={"synchronize_session": False},
        )
    return True


def release(session: Session, jobs: Sequence[Claimed], now: datetime) -> None:
    """Give back jobs that were not attempted, so that they are due at once."""
    for job in jobs:
        session.execute(
            update(Job)
            .where(Job.id == job.job_id, Job.lease_token == job.lease_token)
            .values(due_at=now, lease_token=None, lease_until=None),
            execution_options={"synchronize_session": False},
        )


def beat(session: Session, worker: str, now: datetime) -> None:
    """Show that a worker is alive."""
    done = session.execute(
        update(WorkerBeat).where(WorkerBeat.worker == worker).values(seen_at=now),
        execution_options={"synchronize_session": False},
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
