"""Signed tree heads that were given out, oldest first; none is ever taken back or written over."""

from collections.abc import Sequence

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import Session

from services.registers.storage.tables import Checkpoint
from services.registers.storage.trees import NUMBERS, Tree

_COLUMNS = select(Checkpoint.size, Checkpoint.root, Checkpoint.signed, Checkpoint.note)


def latest(session: Session, register_id: int, tree: Tree) -> Row[int, bytes, int, str] | None:
    """Return the newest one (size, root, signed, note)."""
    return session.execute(
        _COLUMNS.where(Checkpoint.register_id == register_id, Checkpoint.tree == NUMBERS[tree])
        .order_by(Checkpoint.size.desc())
        .limit(1)
    ).first()


def after(
    session: Session, register_id: int, tree: Tree, size: int, limit: int
) -> Sequence[Row[int, bytes, int, str]]:
    """Return those of logs larger than ``size`` (size, root, signed, note)."""
    return session.execute(
        _COLUMNS.where(
            Checkpoint.register_id == register_id,
            Checkpoint.tree == NUMBERS[tree],
            Checkpoint.size > size,
        )
        .order_by(Checkpoint.size)
        .limit(limit)
    ).all()


def keep(
    session: Session, register_id: int, tree: Tree, size: int, root: bytes, signed: int, note: str
) -> None:
    """Keep one; signed: seconds since 1970."""
    session.execute(
        insert(Checkpoint).values(
            register_id=register_id,
            tree=NUMBERS[tree],
            size=size,
            root=root,
            signed=signed,
            note=note,
        )
    )
