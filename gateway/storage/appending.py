"""Appending to the exchange log: entries, their leaves and the tree in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from gateway.storage.exchanges import Exchange, known_exchanges, lock
from gateway.storage.leaves import hash_of
from gateway.storage.tree import grow_tree, tree_state


def append_exchanges(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write entries in order, each a leaf of the tree.

    One that is already there (a repeated attempt) is left alone.
    """
    lock(session)
    known = known_exchanges(session, [row["exchange"] for row in rows])
    size, peaks, begins_after = tree_state(session)
    number, numbered = begins_after + size, list[dict[str, Any]]()
    for row in rows:
        if row["exchange"] not in known:
            known.add(row["exchange"])
            number += 1
            numbered.append({**row, "number": number})
    if numbered:
        # through the table: the mapper would look at each row and cost as much as the insert
        session.execute(insert(cast("Table", Exchange.__table__)), numbered)
        grow_tree(session, size, peaks, begins_after, [hash_of(row) for row in numbered])
