"""The instructor's lever: changing one row behind the service's back, and undoing it.

Only for demonstrations. No hash is touched, so that verification must name the entry.
"""

import json
from dataclasses import dataclass

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.orm import Session

from services.registers.domain import canonical
from services.registers.storage.tables import Blob, Entry

MARK = " (changed behind the register's back)"


@dataclass(frozen=True)
class Tampered:
    """Which entry now says something that was never entered."""

    number: int
    key: str
    field: str
    before: str
    after: str


def tamper(session: Session, head: RowMapping, number: int) -> Tampered | None:
    """Change one value of the item of an entry; None when there is no such entry or value."""
    found = session.execute(
        select(Entry.key, Blob.number, Blob.content)
        .join(Blob, (Blob.register_id == Entry.register_id) & (Blob.number == Entry.blob))
        .where(
            Entry.register_id == head["id"], Entry.number == number, Entry.number <= head["size"]
        )
    ).first()
    if found is None:
        return None
    key, blob, content = found
    values = json.loads(content)
    names = [name for name, value in values.items() if isinstance(value, str) and value != key]
    field = next((name for name in ("name", "text") if name in names), next(iter(names), None))
    if field is None:
        return None
    before = values[field].removesuffix(MARK)
    values[field] = before + MARK
    session.execute(
        update(Blob)
        .where(Blob.register_id == head["id"], Blob.number == blob)
        .values(content=canonical.item_json(values))
    )
    return Tampered(number, key, field, before, values[field])


def undo(session: Session) -> int:
    """Put every changed value back; return how many items were changed."""
    marked = Blob.content.contains(MARK, autoescape=True)
    done = session.execute(
        update(Blob).where(marked).values(content=func.replace(Blob.content, MARK, ""))
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
