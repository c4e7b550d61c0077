"""Appending to the exchange log: entries, their leaves and the tree in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

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
        # through the table: the mapper would look at each row and cost as much as the insert
        session.execute(insert(cast("Table", Exchange.__table__)), numbered)
        leaves = [hash_of(row) for row in numbered]
        try:
            grow_tree(session, size, peaks, begins_after, leaves)
        except IntegrityError as error:
            raise TreeDamaged("the exchange log's tree has leaves beyond its size") from error
