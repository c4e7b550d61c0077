"""Changes that wait for a second person, and what became of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from services.registers.storage.tables import Proposal

OPEN = "open"
_COLUMNS = Proposal.__table__.c


def add(session: Session, **columns: Any) -> None:
    """Keep a new proposal."""
    session.add(Proposal(state=OPEN, **columns))


def find(session: Session, register_id: int, identifier: str) -> Row[*tuple[Any, ...]] | None:
    """Return one proposal of a register."""
    return session.execute(
        select(*_COLUMNS).where(Proposal.register_id == register_id, Proposal.id == identifier)
    ).first()


def page(
    session: Session, register_id: int, state: str | None, limit: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the newest proposals of a register, those in one state or all."""
    statement = select(*_COLUMNS).where(Proposal.register_id == register_id)
    if state is not None:
        statement = statement.where(Proposal.state == state)
    return session.execute(statement.order_by(Proposal.made.desc(), Proposal.id).limit(limit)).all()


def decide(
    session: Session,
    identifier: str,
    *,
    state: str,
    at: int,
    decider: str,
    why: str,
    answer: str | None = None,
) -> None:
    """Say what became of a proposal."""
    session.execute(
        update(Proposal)
        .where(Proposal.id == identifier)
        .values(state=state, decided=at, decider=decider, why=why, answer=answer)
    )
