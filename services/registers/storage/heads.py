"""Registers and the state of their logs."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, func, insert, or_, select, update
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
_PUBLIC = _BOTH.where(_HEAD.c.hidden.is_(False))
# drafts, too: who may see them is decided where they are asked for
_SEEN = _BOTH.where(or_(_HEAD.c.hidden.is_(False), _REGISTER.c.state == "draft"))


def add_register(session: Session, register: dict[str, Any], loading: str | None = None) -> int:
    """Add a register whose log is empty and return its id; the keys are columns of ``Register``.

    loading: the load that creates it; nobody sees the register before that is published.
    """
    values = dict(register)
    if "id" not in values:
        values["id"] = (session.scalar(select(func.max(Register.id))) or 0) + 1
    session.execute(insert(Register).values(values))
    session.execute(
        insert(Head).values(
            register_id=values["id"],
            size=0,
            records=0,
            blobs=0,
            updated=values["started"],
            peaks=b"",
            peaks_v1=b"",
            system_size=0,
            loading=loading,
            hidden=loading is not None or values.get("state") == "draft",
        )
    )
    return int(values["id"])


def describe(session: Session, register_id: int, columns: Mapping[str, Any]) -> None:
    """Change what the table says of a register; the keys are columns of ``Register``."""
    session.execute(update(Register).where(Register.id == register_id).values(**columns))


def publish(session: Session, register_id: int) -> None:
    """Let everyone see a register that was a draft."""
    session.execute(update(Head).where(Head.register_id == register_id).values(hidden=False))


def has_registers(session: Session) -> bool:
    """Tell whether there is any register."""
    return session.execute(select(Register.id).limit(1)).first() is not None


def all_registers(session: Session, *, drafts: bool = False) -> Sequence[RowMapping]:
    """Return every register with the state of its log; drafts only where they are asked for."""
    found = _SEEN if drafts else _PUBLIC
    return session.execute(found.order_by(_REGISTER.c.id)).mappings().all()


def find_register(session: Session, name: str) -> RowMapping | None:
    """Return a register with the state of its log, a draft too."""
    return session.execute(_SEEN.where(_REGISTER.c.name == name)).mappings().first()


def lock_register(session: Session, name: str) -> RowMapping | None:
    """Return a register with the state of its log, which nobody else changes until the commit."""
    statement = _SEEN.where(_REGISTER.c.name == name).with_for_update(of=_HEAD)
    while True:
        locked = session.execute(statement).mappings().first()
        # PostgreSQL finds no row when a reset replaced the one it waited for: then ask again
        if locked is not None or find_register(session, name) is None:
            return locked


def lock_head(session: Session, register_id: int) -> RowMapping | None:
    """Return a register with the state of its log, hidden or not, locked until the commit."""
    statement = _BOTH.where(_REGISTER.c.id == register_id).with_for_update(of=_HEAD)
    return session.execute(statement).mappings().first()


def lock_all(session: Session) -> None:
    """Wait for every append under way and hold up new ones until the commit."""
    session.execute(select(_HEAD.c.register_id).order_by(_HEAD.c.register_id).with_for_update())


def fields_of(register: RowMapping) -> list[Field]:
    """Return the fields of a register in the order of its schema."""
    return [Field(**field) for field in register["fields"]]


def key_field(register: RowMapping) -> str:
    """Return the field that holds the key, by convention the one called like the register."""
    return str(register["key_field"] or register["name"])


def peaks_of(head: RowMapping, tree: str = "v2") -> list[bytes]:
    """Return the peaks of one of a register's trees, largest first."""
    peaks = head["peaks" if tree == "v2" else "peaks_v1"]
    return [peaks[start : start + 32] for start in range(0, len(peaks), 32)]


def root_v1(head: RowMapping) -> bytes:
    """Return the head of a register's version 1 tree."""
    return merkle.fold(peaks_of(head, "v1"))


def root_v2(head: RowMapping) -> bytes:
    """Return the head of a register's version 2 tree."""
    return merkle.fold(peaks_of(head, "v2"))


def root_hash(head: RowMapping) -> str:
    """Return the tree head of a register's log as a multihash."""
    return objecthash.multihash(root_v2(head))
