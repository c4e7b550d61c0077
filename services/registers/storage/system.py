"""The system log of a register: what it says of itself, entry by entry; it has no tree."""

import json
from collections.abc import Sequence

from sqlalchemy import Row, RowMapping, select, update
from sqlalchemy.orm import Session

from services.registers.domain import canonical
from services.registers.storage import rows
from services.registers.storage.tables import Head, SystemEntry

COLUMNS = ("register_id", "number", "timestamp", "key", "item_hash", "content")
_SEEN = (
    select(
        SystemEntry.number,
        SystemEntry.timestamp,
        SystemEntry.key,
        SystemEntry.item_hash,
        SystemEntry.content,
    )
    .join(Head, Head.register_id == SystemEntry.register_id)
    .where(SystemEntry.number <= Head.system_size)
)


def entries(session: Session, register_id: int) -> Sequence[Row[int, int, str, bytes, str]]:
    """Return the entries (number, timestamp, key, item_hash, content) in their order."""
    return session.execute(
        _SEEN.where(SystemEntry.register_id == register_id).order_by(SystemEntry.number)
    ).all()


def find_content(session: Session, register_id: int, item_hash: bytes) -> str | None:
    """Return the item of a system entry by its hash of version 1."""
    for row in entries(session, register_id):  # a register says little of itself
        if row.item_hash == item_hash:
            return str(row.content)
    return None


def ended(session: Session, register_id: int) -> tuple[int, str] | None:
    """Return when and why a register's status changed last."""
    row = session.execute(
        _SEEN.where(SystemEntry.register_id == register_id, SystemEntry.key == "change")
        .order_by(SystemEntry.number.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.timestamp, json.loads(row.content).get("reason", ""))


def corrections(session: Session, register_id: int, numbers: Sequence[int]) -> dict[int, str]:
    """Return why entries were made, of those that say so."""
    found: dict[int, str] = {}
    for part in rows.chunks(list(numbers)):
        keys = {f"correction:{number}": number for number in part}
        statement = _SEEN.where(
            SystemEntry.register_id == register_id, SystemEntry.key.in_(list(keys))
        )
        for row in session.execute(statement):
            found[keys[row.key]] = str(json.loads(row.content).get("reason", ""))
    return found


def append(session: Session, head: RowMapping, said: Sequence[tuple[str, str]], at: int) -> None:
    """Append keys with items in canonical JSON to the system log of a locked register.

    at: seconds since 1970.
    """
    first = session.scalar(select(Head.system_size).where(Head.register_id == head["id"])) or 0
    write(session, head["id"], first, [(key, at, content) for key, content in said])
    session.execute(
        update(Head)
        .where(Head.register_id == head["id"])
        .values(system_size=Head.system_size + len(said))
    )


def write(
    session: Session, register_id: int, after: int, said: Sequence[tuple[str, int, str]]
) -> None:
    """Write entries (key, timestamp, content) that nobody sees before the head counts them."""
    rows.write(
        session,
        SystemEntry.__table__,
        COLUMNS,
        [
            (register_id, number, at, key, canonical.item_hash(content), content)
            for number, (key, at, content) in enumerate(said, start=after + 1)
        ],
    )
