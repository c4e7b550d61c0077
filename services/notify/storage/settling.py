"""What came of messages: attempts, statuses, and the callbacks that commit with them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import Session

from services.notify.domain import lanes, statuses
from services.notify.storage import callbacks
from services.notify.storage.jobs import UNSYNCED, Claimed
from services.notify.storage.tables import DeliveryAttempt, Job, Notification

# a receipt may come before the worker wrote down that the provider has the message
_BEFORE_SENDING = frozenset({"created", "sending"})


@dataclass(frozen=True)
class Settlement:
    """What came of an attempt.

    status: the notification's new one. retry_at: None means that the attempt was the last.
    awaits_receipt: the provider has it and will say more. reason: of ``domain.reasons``.
    response: the provider's own code.
    """

    outcome: str
    status: str | None
    retry_at: datetime | None
    error: str | None
    awaits_receipt: bool = False
    reason: str | None = None
    response: str | None = None
    provider: str | None = None


@dataclass(frozen=True)
class Change:
    """A new status for a message."""

    notification_id: str
    status: str
    reason: str | None = None
    response: str | None = None
    provider: str | None = None


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
    by_provider: dict[str, list[int]] = defaultdict(list)
    for job, provider in attempts:
        by_provider[provider].append(job.job_id)
    for provider, ids in by_provider.items():
        session.execute(
            update(Job).where(Job.id.in_(ids)).values(last_provider=provider),
            execution_options=UNSYNCED,
        )
    session.execute(
        update(Notification)
        .where(
            Notification.id.in_([job.notification_id for job, _ in attempts]),
            Notification.status == "created",
        )
        .values(status="sending"),
        execution_options=UNSYNCED,
    )


def settle(session: Session, job: Claimed, result: Settlement, now: datetime) -> bool:
    """Write down what came of one job; return whether this worker still held it."""
    return job.job_id in settle_all(session, [(job, result)], now)


def settle_all(
    session: Session, results: Sequence[tuple[Claimed, Settlement]], now: datetime
) -> set[int]:
    """Write down what came of jobs, where this worker still holds them; return their ids.

    A job whose lease ended belongs to another worker: what that one writes counts.
    """
    _finish_attempts(session, results, now)
    held = _settle_jobs(session, results, now)
    change(
        session,
        [
            Change(
                job.notification_id, result.status, result.reason, result.response, result.provider
            )
            for job, result in results
            if job.job_id in held and result.status is not None
        ],
        now,
    )
    return held


def _finish_attempts(
    session: Session, results: Sequence[tuple[Claimed, Settlement]], now: datetime
) -> None:
    alike: dict[tuple[int, str, str | None], list[str]] = defaultdict(list)
    for job, result in results:
        alike[job.attempts, result.outcome, result.error].append(job.notification_id)
    for (number, outcome, error), ids in alike.items():
        session.execute(
            update(DeliveryAttempt)
            .where(DeliveryAttempt.notification_id.in_(ids), DeliveryAttempt.number == number)
            .values(finished_at=now, outcome=outcome, error=error),
            execution_options=UNSYNCED,
        )


def _settle_jobs(
    session: Session, results: Sequence[tuple[Claimed, Settlement]], now: datetime
) -> set[int]:
    """Settle the jobs of one claim: done, waiting for a receipt, or due again."""
    alike: dict[tuple[str, bool, datetime | None, str | None], list[int]] = defaultdict(list)
    for job, result in results:
        key = (job.lease_token, result.awaits_receipt, result.retry_at, result.error)
        alike[key].append(job.job_id)
    held: set[int] = set()
    for (token, awaits, retry_at, error), ids in alike.items():
        values: dict[str, Any] = {"done_at": now, "due_at": now}
        if awaits:  # the same row becomes the time-out that ends the wait
            due_at = now + statuses.RECEIPT_WITHIN
            values = {"kind": "expire", "lane": lanes.CHORE, "due_at": due_at, "attempts": 0}
        elif retry_at is not None:
            values = {"due_at": retry_at}
        done = session.execute(
            update(Job)
            .where(Job.id.in_(ids), Job.lease_token == token, Job.done_at.is_(None))
            .values(values | {"lease_token": None, "lease_until": None, "last_error": error})
            .returning(Job.id),
            execution_options=UNSYNCED,
        )
        held.update(done.scalars())
    return held


def change(
    session: Session,
    changes: Sequence[Change],
    now: datetime,
    *,
    also_from: tuple[str, ...] = (),
) -> list[str]:
    """Give messages new statuses and queue the callbacks of final ones; return who changed.

    Only from an open status (or one that is named): what comes later is a repetition.
    """
    alike: dict[tuple[str, str | None, str | None, str | None], list[str]] = defaultdict(list)
    for each in changes:
        key = (each.status, each.reason, each.response, each.provider)
        alike[key].append(each.notification_id)
    changed: list[str] = []
    for (status, reason, response, provider), ids in alike.items():
        values: dict[str, Any] = {"status": status, "updated_at": now, "status_reason": reason}
        if response is not None:
            values["provider_response"] = response
        if provider is not None:
            values["provider"] = provider
        if status in statuses.HANDED_OVER or (status == "sending" and reason == "accepted"):
            values["sent_at"] = func.coalesce(Notification.sent_at, now)
        before = _BEFORE_SENDING if status == "sending" else statuses.OPEN.union(also_from)
        rows = session.execute(
            update(Notification)
            .where(Notification.id.in_(ids), Notification.status.in_(before))
            .values(values)
            .returning(Notification.id, Notification.service_id),
            execution_options=UNSYNCED,
        ).all()
        changed += [row.id for row in rows]
        if status in statuses.FINAL:
            facts = {"status": status, "completed_at": now.isoformat()}
            callbacks.tell(
                session, "delivery", [(row.service_id, row.id, facts) for row in rows], now
            )
    return changed


def found(session: Session, ids: Sequence[str]) -> dict[str, Notification]:
    """Return notifications by id, whoever's they are."""
    rows = session.scalars(select(Notification).where(Notification.id.in_(ids)))
    return {row.id: row for row in rows}


def handed_to(session: Session, provider: str, ids: Sequence[str]) -> dict[str, Notification]:
    """Return those of some notifications that this provider was ever called with."""
    rows = session.scalars(
        select(Notification).where(
            Notification.id.in_(ids),
            exists().where(
                DeliveryAttempt.notification_id == Notification.id,
                DeliveryAttempt.provider == provider,
            ),
        )
    )
    return {row.id: row for row in rows}


def close_jobs(session: Session, ids: Sequence[str], now: datetime) -> None:
    """End the deliveries and time-outs of messages whose final status came another way."""
    session.execute(
        update(Job)
        .where(
            Job.notification_id.in_(ids),
            Job.kind.in_(("deliver", "expire")),
            Job.done_at.is_(None),
        )
        .values(done_at=now, lease_token=None, lease_until=None),
        execution_options=UNSYNCED,
    )
