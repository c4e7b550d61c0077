"""Appending to the exchange log: entries, their leaves and the tree in one transaction."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import JSON
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.storage.base import insert_many
from gateway.storage.exchanges import Exchange, known_exchanges, last_number, lock
from gateway.storage.leaves import hash_of
from gateway.storage.tree import grow_tree, tree_state


class TreeDamaged(SQLAlchemyError):
    """Entries and tree do not belong together: nothing may be appended to such a log."""


def append_exchanges(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write entries in order, each a leaf of the tree.

    One that is already there (a repeated attempt) is left alone. Raises TreeDamaged when the log
    was changed by somebody so that it cannot go on.
    """
    lock(session)
    known = known_exchanges(session, [row["exchange"] for row in rows])
    size, peaks, begins_after = tree_state(session)
    if last_number(session) > begins_after + size:
        raise TreeDamaged("the exchange log has entries beyond its tree")
    number, numbered = begins_after + size, list[dict[str, Any]]()
    for row in rows:
        if row["exchange"] not in known:
            known.add(row["exchange"])
            number += 1
            numbered.append({**row, "number": number})
    if numbered:
        leaves = [hash_of(row) for row in numbered]
        _insert(session, numbered)
        try:
            grow_tree(session, size, peaks, begins_after, leaves)
        except IntegrityError as error:
            raise TreeDamaged("the exchange log's tree has leaves beyond its size") from error


_COLUMNS = [column.name for column in Exchange.__table__.columns]
_JSON = [column.name for column in Exchange.__table__.columns if isinstance(column.type, JSON)]
_in_order = itemgetter(*_COLUMNS)


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows as the driver takes them: compiling each would cost more than the insert."""
    for row in rows:
        for name in _JSON:
            if row[name] is not None:
                row[name] = orjson.dumps(row[name]).decode()
    insert_many(session, Exchange.__tablename__, _COLUMNS, [_in_order(row) for row in rows])
