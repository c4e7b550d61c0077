"""Requests to get an account back, found by the browser's secret or by the code that stops them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.storage.citizen_tables import Recovery


def add(session: Session, recovery: Recovery, now: datetime) -> None:
    """Remember a new request; an older one of the same browser is replaced."""
    session.execute(
        delete(Recovery).where(or_(Recovery.expires_at < now, Recovery.id_hash == recovery.id_hash))
    )
    session.add(recovery)
    session.flush()


def find(session: Session, id_hash: str, now: datetime) -> Recovery | None:
    """Return the living request of a browser, or None."""
    found = session.get(Recovery, id_hash)
    return found if found is not None and _lives(found, now) else None


def by_cancel_code(session: Session, cancel_hash: str, now: datetime) -> Recovery | None:
    """Return the living request that this code stops, or None."""
    found = session.scalar(select(Recovery).where(Recovery.cancel_hash == cancel_hash))
    return found if found is not None and _lives(found, now) else None


def of_person(session: Session, sub: str, now: datetime) -> Sequence[Recovery]:
    """Return the living requests for a person's account, the newest first."""
    return session.scalars(
        select(Recovery)
        .where(Recovery.sub == sub, Recovery.ended_at.is_(None), Recovery.expires_at > now)
        .order_by(Recovery.started_at.desc())
    ).all()


def count_try(session: Session, recovery: Recovery, most: int) -> bool:
    """Count a try at the proofs before it is checked; False when there were too many."""
    result = session.execute(
        update(Recovery)
        .where(Recovery.id_hash == recovery.id_hash, Recovery.tries < most)
        .values(tries=Recovery.tries + 1)
        .execution_options(synchronize_session=False)
    )
    return _one(result)


def end(session: Session, recovery: Recovery, now: datetime) -> bool:
    """End a request, finished or cancelled; False when it had ended already."""
    result = session.execute(
        update(Recovery)
        .where(Recovery.id_hash == recovery.id_hash, Recovery.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
    return _one(result)


def _lives(recovery: Recovery, now: datetime) -> bool:
    return recovery.ended_at is None and now < recovery.expires_at


def _one(result: object) -> bool:
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1
