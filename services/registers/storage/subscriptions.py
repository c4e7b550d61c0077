"""Subscriptions to registers: who wants new entries sent where, and how far each one has them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from services.registers.storage.tables import Head, Register, Subscription

ACTIVE, FAILING, DEAD = "active", "failing", "dead"
_TABLE = Subscription.__table__


def add(session: Session, values: dict[str, Any]) -> None:
    """Add a subscription."""
    start = {"state": ACTIVE, "attempts": 0, "due": 0, "leased": 0, "fault": ""}
    session.execute(insert(Subscription).values(**start, **values))


def of_client(session: Session, register_id: int, client_id: str) -> Sequence[RowMapping]:
    """Return a client's subscriptions to a register, oldest first."""
    return (
        session.execute(
            select(*_TABLE.c)
            .where(_TABLE.c.register_id == register_id, _TABLE.c.client_id == client_id)
            .order_by(_TABLE.c.created, _TABLE.c.id)
        )
        .mappings()
        .all()
    )


def remove(session: Session, register_id: int, client_id: str, identifier: str) -> bool:
    """Remove a client's subscription; tells whether there was one."""
    mine = _mine(register_id, client_id, identifier)
    return bool(session.execute(delete(Subscription).where(*mine)).rowcount)  # type: ignore[attr-defined]


def revive(session: Session, register_id: int, client_id: str, identifier: str) -> bool:
    """Let a subscription that was given up be tried again from where it stopped."""
    mine = _mine(register_id, client_id, identifier)
    values = {"state": ACTIVE, "attempts": 0, "due": 0, "fault": ""}
    done = session.execute(update(Subscription).where(*mine).values(**values))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _mine(register_id: int, client_id: str, identifier: str) -> tuple[Any, ...]:
    return (
        _TABLE.c.register_id == register_id,
        _TABLE.c.client_id == client_id,
        _TABLE.c.id == identifier,
    )


def due(session: Session, now: int, limit: int) -> Sequence[RowMapping]:
    """Return subscriptions that lack entries and whose turn it is, with register and its size."""
    return (
        session.execute(
            select(*_TABLE.c, Register.name.label("register"), Head.size)
            .join(Register, Register.id == _TABLE.c.register_id)
            .join(Head, Head.register_id == _TABLE.c.register_id)
            .where(
                _TABLE.c.state != DEAD,
                _TABLE.c.due <= now,
                _TABLE.c.leased <= now,
                _TABLE.c.delivered < Head.size,
            )
            .order_by(_TABLE.c.due, _TABLE.c.id)
            .limit(limit)
        )
        .mappings()
        .all()
    )


def lease(session: Session, identifier: str, now: int, until: int) -> int | None:
    """Take a subscription for one courier; returns how far it was delivered, None: another has it.

    A courier that dies lets go of it when the time is over.
    """
    done = session.execute(
        update(Subscription)
        .where(
            _TABLE.c.id == identifier,
            or_(_TABLE.c.leased <= now, _TABLE.c.leased.is_(None)),
            _TABLE.c.state != DEAD,
        )
        .values(leased=until)
    )
    if not done.rowcount:  # type: ignore[attr-defined]
        return None
    return session.scalar(select(_TABLE.c.delivered).where(_TABLE.c.id == identifier))


def note(session: Session, identifier: str, **values: Any) -> None:
    """Keep what came of a delivery."""
    session.execute(update(Subscription).where(_TABLE.c.id == identifier).values(**values))
