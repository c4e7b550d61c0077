"""Registers and the state of their logs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.orm import Session

from servicekit import merkle
from services.registers.domain import objecthash
from services.registers.domain.items import Field
from services.registers.storage.tables import Head, Register

_REGISTER = Register.__table__
_HEAD = Head.__table__
# every column of both, the id once
_BOTH = select(
    *_REGISTER.c, *(column for column in _HEAD.c if column.name != "register_id")
).join_from(_REGISTER, _HEAD)


def add_register(session: Session, register: dict[str, Any]) -> None:
    """Add a register whose log is empty; the keys are the columns of ``Register``."""
    session.execute(insert(Register).values(register))
    session.execute(
        insert(Head).values(
            register_id=register["id"],
            size=0,
            records=0,
            blobs=0,
            updated=register["started"],
            peaks=b"",
        )
    )


def has_registers(session: Session) -> bool:
    """Tell whether there is any register."""
    return session.execute(select(Register.id).limit(1)).first() is not None


def all_registers(session: Session) -> Sequence[RowMapping]:
    """Return every register with the state of its log."""
    return session.execute(_BOTH.order_by(_REGISTER.c.id)).mappings().all()


def find_register(session: Session, name: str) -> RowMapping | None:
    """Return a register with the state of its log."""
    return session.execute(_BOTH.where(_REGISTER.c.name == name)).mappings().first()


def lock_register(session: Session, name: str) -> RowMapping | None:
    """Return a register with the state of its log, which nobody else changes until the commit."""
    statement = _BOTH.where(_REGISTER.c.name == name).with_for_update(of=_HEAD)
    while True:
        locked = session.execute(statement).mappings().first()
        # PostgreSQL finds no row when a reset replaced the one it waited for: then ask again
        if locked is not None or find_register(session, name) is None:
            return locked


def lock_all(session: Session) -> None:
    """Wait for every append under way and hold up new ones until the commit."""
    session.execute(select(_HEAD.c.register_id).order_by(_HEAD.c.register_id).with_for_update())


def fields_of(register: RowMapping) -> list[Field]:
    """Return the fields of a register in the order of its schema."""
    return [Field(**field) for field in register["fields"]]


def peaks_of(head: RowMapping) -> list[bytes]:
    """Return the peaks of a register's tree, largest first."""
    peaks = head["peaks"]
    return [peaks[start : start + 32] for start in range(0, len(peaks), 32)]


def root_hash(head: RowMapping) -> str:
    """Return the tree head of a register's log as a multihash."""
    return objecthash.multihash(merkle.fold(peaks_of(head)))
