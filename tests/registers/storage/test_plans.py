"""Look-ups go through an index that narrows them to a few rows, however long the log is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from servicekit.database import Database
from services.registers.domain import rsf
from services.registers.storage import blobs, log, trees
from tests.registers.storage.loads import create, entry, head_of, towns

READS: dict[str, tuple[Callable[[Session, int], Any], list[str]]] = {
    "a record": (
        lambda session, at: log.find_record(session, "town", "T-5"),
        ["record USING PRIMARY KEY (register_id=? AND key=?)"],
    ),
    "a record at a size": (
        lambda session, at: log.record_at(session, at, "T-5", 30),
        ["entry USING INDEX entry_by_key (register_id=? AND key=? AND number<?)"],
    ),
    "the entries of a record": (
        lambda session, at: log.entries_page(session, at, 3, 5, "T-5"),
        ["entry_by_key (register_id=? AND key=? AND number>?"],
    ),
    "a page of records": (
        lambda session, at: log.records_page(session, at, "T-5", 5),
        ["record USING PRIMARY KEY (register_id=? AND key>?)"],
    ),
    "items by their hashes": (
        lambda session, at: blobs.numbers_of(session, at, [bytes(32), b"x" * 32], 50),
        ["blob_place USING PRIMARY KEY (register_id=? AND kind=? AND prefix=? AND number<?)"],
    ),
    "a blob by its hash": (
        lambda session, at: log.find_blob(session, "town", bytes(32)),
        ["blob_place USING PRIMARY KEY (register_id=? AND kind=? AND prefix=? AND number<?)"],
    ),
    "entries for a tile": (
        lambda session, at: trees.lines(session, at, 1, 10),
        ["entry USING PRIMARY KEY (register_id=? AND number>? AND number<?)"],
    ),
    "a tile": (
        lambda session, at: trees.read_tile(session, at, "v1", 0, 0, 20),
        ["(register_id=? AND tree=? AND level=? AND number=?)"],
    ),
}


@pytest.mark.parametrize("what", READS)
def test_a_read_is_narrowed_by_an_index(bare: Database, what: str) -> None:
    create(bare, towns(1, 50))
    register_id = head_of(bare)["id"]
    bare.engine.dispose()  # the planner's figures are read when a connection opens
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    read, expected = READS[what]
    event.listen(bare.engine, "before_cursor_execute", note)
    with bare.snapshot() as session:
        read(session, register_id)
    event.remove(bare.engine, "before_cursor_execute", note)
    plans = []
    with bare.snapshot() as session:
        connection = session.connection()
        for statement, parameters in statements:
            if statement.startswith("SELECT"):
                explained = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", tuple(parameters)
                )
                plans += [row[3] for row in explained]
        assert connection.scalar(text("SELECT count(*) FROM sqlite_stat1"))
    for part in expected:
        assert any(part in plan for plan in plans), plans
    assert not [plan for plan in plans if plan.startswith("SCAN")], plans


def test_blobs_of_the_same_hash_are_listed_once_and_pages_come_to_an_end(
    migrated: Database,
) -> None:
    """Two items can be one blob in version 2: an empty value is the same as none."""
    from services.registers.domain import canonical

    def added(values: dict[str, str]) -> rsf.AddItem:
        content = canonical.item_json(values)
        return rsf.AddItem(1, content, canonical.item_hash(content), dict(values))

    commands: list[rsf.Command] = []
    for number in range(6):
        for values in ({"town": f"T-{number}"}, {"name": "", "town": f"T-{number}"}):
            item = added(values)
            commands += [item, entry(f"T-{number}", item)]
    create(migrated, commands)
    register_id = head_of(migrated)["id"]
    with migrated.snapshot() as session:
        for limit in (1, 2, 5, 100):
            seen, start = list[bytes](), None
            while True:
                page = log.blobs_page(session, register_id, start, limit)
                seen += [row.hash for row in page.rows]
                if page.next is None:
                    break
                start = page.next
            assert len(seen) == len(set(seen)) == 6
            items, start = list[bytes](), None
            while True:
                page = log.items_page(session, register_id, start, limit)
                items += [row.item_hash for row in page.rows]
                if page.next is None:
                    break
                start = page.next
            assert len(set(items)) == len(items) == 12
