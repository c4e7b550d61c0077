"""Loads for tests: streams of commands, and a look at everything that is stored."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import RowMapping, select

from servicekit import merkle
from servicekit.database import Database
from services.registers.domain import canonical, rsf
from services.registers.domain.checking import Checker
from services.registers.domain.items import Field
from services.registers.storage import heads, loading, trees
from services.registers.storage.tables import Table, core

NOW = 1_772_500_000
FIELDS = [Field("town", "string"), Field("name", "string")]
CHECKER = Checker("town", FIELDS)
TOWN = {
    "name": "town",
    "title": {"en": "Towns", "dv": "Towns"},
    "description": {"en": "Towns", "dv": "Towns"},
    "fields": [{"id": "town", "datatype": "string"}, {"id": "name", "datatype": "string"}],
    "custodian": "Test",
    "synthetic": True,
    "source": "Made up",
    "licence": "None",
    "phase": "alpha",
    "started": NOW - 1000,
}


def item(key: str, name: str) -> rsf.AddItem:
    values = {"town": key, "name": name}
    content = canonical.item_json(values)
    return rsf.AddItem(1, content, canonical.item_hash(content), values)


def entry(key: str, added: rsf.AddItem, at: int = NOW - 10) -> rsf.AppendEntry:
    return rsf.AppendEntry(2, "user", key, at, added.item_hash)


def towns(first: int, last: int, name: str = "Town") -> Iterator[rsf.Command]:
    """Commands that append one entry for each of the towns T-first to T-last."""
    for number in range(first, last + 1):
        added = item(f"T-{number}", f"{name} {number}")
        yield added
        yield entry(f"T-{number}", added)


def load(database: Database, commands: Iterable[rsf.Command], **options: Any) -> loading.Loaded:
    return loading.load(database, "town", commands, checker=CHECKER, now=NOW, **options)


def create(database: Database, commands: Iterable[rsf.Command], **options: Any) -> loading.Loaded:
    return loading.create_and_load(
        database, dict(TOWN), commands, checker=CHECKER, now=NOW, **options
    )


def head_of(database: Database, register: str = "town") -> RowMapping:
    with database.snapshot() as session:
        head = heads.find_register(session, register)
    assert head is not None
    return head


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to see that nothing is left over."""
    found = {}
    with database.snapshot() as session:
        for table in Table.metadata.sorted_tables:
            rows = [tuple(map(_plain, row)) for row in session.execute(select(core(table)))]
            found[table.name] = sorted(rows, key=repr)
    return found


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value


def assert_whole(database: Database, register: str = "town") -> None:
    """The register is at its committed size and both roots follow from its entries."""
    head = head_of(database, register)
    with database.snapshot() as session:
        for tree in trees.TREES:
            leaves = trees.leaf_hashes(session, head["id"], tree, 1, head["size"])
            root = merkle.root(leaves)
            assert merkle.fold(heads.peaks_of(head, tree)) == root
            assert trees.root(session, head["id"], tree, head["size"]) == root
