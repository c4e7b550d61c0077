"""Sign-outs that clients must hear of: written with the sign-out, taken by one process each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.domain.digests import random_id
from services.identity.domain.sign_outs import LEASE, State, wait_after
from services.identity.storage.protocol_tables import LogoutDelivery
from services.identity.storage.tables import Client, Grant

PAGE = 100
AT_ONCE = 10


def add_for_session(session: Session, session_hash: str, now: datetime) -> None:
    """Note every client that has to hear that a sign-in has ended, once for each name of it."""
    told = (
        select(Grant.client_id, Grant.sub, Grant.sid)
        .join(Client, Client.client_id == Grant.client_id)
        .where(Grant.session_hash == session_hash, Client.backchannel_logout_uri.is_not(None))
        .distinct()
    )
    for client_id, sub, sid in session.execute(told).all():
        session.add(
            LogoutDelivery(
                id=random_id(),
                client_id=client_id,
                sub=sub,
                sid=sid,
                state=State.WAITING,
                created_at=now,
                due_at=now,
                attempts=0,
                last_answer=None,
                delivered_at=None,
            )
        )
    session.flush()


def is_any_due(session: Session, now: datetime) -> bool:
    """Whether there is something to take; asking locks nothing."""
    due = select(LogoutDelivery.id).where(
        LogoutDelivery.state == State.WAITING, LogoutDelivery.due_at <= now
    )
    return session.scalar(due.limit(1)) is not None


def take_due(session: Session, now: datetime) -> list[LogoutDelivery]:
    """Claim some deliveries that are due; no other process gets them before the lease ends."""
    due = select(LogoutDelivery).where(
        LogoutDelivery.state == State.WAITING, LogoutDelivery.due_at <= now
    )
    taken = []
    for delivery in session.scalars(due.order_by(LogoutDelivery.due_at).limit(AT_ONCE)).all():
        result = session.execute(
            update(LogoutDelivery)
            .where(
                LogoutDelivery.id == delivery.id,
                LogoutDelivery.attempts == delivery.attempts,
                LogoutDelivery.due_at == delivery.due_at,
            )
            .values(due_at=now + LEASE, attempts=delivery.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
        if result.rowcount == 1:
            session.refresh(delivery)
            taken.append(delivery)
    return taken


def note(
    session: Session, delivery: LogoutDelivery, *, delivered: bool, answer: str, now: datetime
) -> None:
    """Write down what became of an attempt and when the next one is due."""
    wait = wait_after(delivery.attempts)
    if delivered:
        values = {"state": State.DELIVERED, "delivered_at": now}
    elif wait is None:
        values = {"state": State.FAILED}
    else:
        values = {"due_at": now + wait}
    session.execute(
        update(LogoutDelivery)
        .where(LogoutDelivery.id == delivery.id, LogoutDelivery.attempts == delivery.attempts)
        .values(last_answer=answer[:300], **values)
        .execution_options(synchronize_session=False)
    )


def listed(
    session: Session, client_id: str | None = None, state: str | None = None
) -> Sequence[LogoutDelivery]:
    """Return the newest 100 deliveries, of one client and in one state when these are given."""
    query = select(LogoutDelivery)
    if client_id is not None:
        query = query.where(LogoutDelivery.client_id == client_id)
    if state is not None:
        query = query.where(LogoutDelivery.state == state)
    newest = query.order_by(LogoutDelivery.created_at.desc(), LogoutDelivery.id).limit(PAGE)
    return session.scalars(newest).all()


def forget_ended(session: Session, before: datetime) -> None:
    """Delete what was settled before a moment."""
    session.execute(
        delete(LogoutDelivery).where(
            LogoutDelivery.state != State.WAITING, LogoutDelivery.created_at < before
        )
    )
