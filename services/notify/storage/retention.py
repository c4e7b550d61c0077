"""Forgetting: messages at the end of their time, with their statistics kept; keys of weeks."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.notify.domain import keeping, statuses
from services.notify.storage import callbacks, contents, jobs, limits, notifications
from services.notify.storage.delivery_tables import Bulk, Statistic
from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import (
    DeliveryAttempt,
    InboxMessage,
    Job,
    Letter,
    Notification,
    Service,
)

AT_ONCE = 500
_UNSYNCED: dict[str, Any] = {"synchronize_session": False}


class Vaults(Protocol):
    """Where services' keys are made (``services.notify.vault``)."""

    def of(self, service_id: str, sealed_key: bytes | None) -> "Vaults":
        """Return the vault of a service."""

    def new_week_key(self, week: int) -> str:
        """Make the key of a week, sealed with the service's own."""


def forget_small_things(session: Session, now: datetime) -> None:
    """Delete what has a fixed time: answers, beats, files, received texts, counts, done jobs."""
    notifications.forget_answers(session, now)
    jobs.forget_beats(session, before=now - timedelta(hours=1))
    jobs.forget_done(session, before=now - timedelta(days=1))
    contents.forget_documents(session, now)
    contents.forget_received(session, now)
    limits.forget_counts(session, before=now - timedelta(days=1))
    callbacks.forget(session, before=now - timedelta(days=keeping.LONGEST))
    session.execute(delete(Bulk).where(Bulk.created_at < now - timedelta(days=keeping.LONGEST)))


def forget_messages(session: Session, now: datetime) -> bool:
    """Remove one batch of messages whose time is over; return whether there may be more."""
    for service_id, kept in session.execute(select(Service.id, Service.retention)).all():
        for channel in ("sms", "email", "letter"):
            before = now - timedelta(days=keeping.days(kept, channel))
            rows = session.scalars(
                select(Notification)
                .where(
                    Notification.service_id == service_id,
                    Notification.channel == channel,
                    Notification.created_at < before,
                    Notification.status.in_(statuses.FINAL),
                )
                .limit(AT_ONCE)
            ).all()
            if rows:
                _add_up(session, rows)
                _remove(session, [row.id for row in rows])
                return True
    return False


def _add_up(session: Session, rows: Sequence[Notification]) -> None:
    """Add messages to the statistics in the transaction that removes them."""
    counts: Counter[tuple[str, ...]] = Counter()
    fragments: Counter[tuple[str, ...]] = Counter()
    in_time: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        key: tuple[str, ...] = (
            row.service_id,
            f"{row.created_at:%Y-%m-%d}",
            row.channel,
            row.key_type,
            row.template_id,
            row.status,
        )
        counts[key] += 1
        fragments[key] += row.fragments * row.rate_multiplier
        in_time[key] += keeping.was_in_time(row.created_at, row.scheduled_for, row.sent_at)
    names = ("service_id", "day", "channel", "key_type", "template_id", "status")
    for key, count in counts.items():
        place = dict(zip(names, key, strict=True))
        insert_if_absent(session, Statistic, **place, count=0, fragments=0, in_time=0)
        session.execute(
            update(Statistic)
            .filter_by(**place)
            .values(
                count=Statistic.count + count,
                fragments=Statistic.fragments + fragments[key],
                in_time=Statistic.in_time + in_time[key],
            ),
            execution_options=_UNSYNCED,
        )


def _remove(session: Session, ids: Sequence[str]) -> None:
    for table in (Job, DeliveryAttempt, InboxMessage, Letter):
        session.execute(
            delete(table).where(table.notification_id.in_(ids)), execution_options=_UNSYNCED
        )
    session.execute(
        delete(Notification).where(Notification.id.in_(ids)), execution_options=_UNSYNCED
    )


def renew_keyrings(session: Session, vault: Vaults, now: datetime) -> None:
    """Give each service the key of this week, and throw away keys that nothing needs any more.

    Whatever a thrown-away key sealed is then unreadable in every copy, also in backups.
    """
    week = keeping.week(now)
    rows = session.execute(select(Service.id, Service.sealed_key, Service.keyring)).all()
    for service_id, sealed_key, keyring in rows:
        if sealed_key is None:
            continue
        kept = keeping.still_needed(keyring, now)
        if str(week) not in kept:
            kept[str(week)] = vault.of(service_id, sealed_key).new_week_key(week)
        if kept != keyring:
            session.execute(
                update(Service).where(Service.id == service_id).values(keyring=kept),
                execution_options=_UNSYNCED,
            )
