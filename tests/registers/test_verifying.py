"""Verification rebuilds everything from the entries, and names the entry that was changed."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from services.registers.storage import blobs
from services.registers.storage.tables import (
    Blob,
    BlobPlace,
    Edge,
    Entry,
    Head,
    Record,
    Tile,
)
from tests.registers.conftest import Caller, vessel
from tests.registers.storage.loads import create, head_of, load, towns


def verified(caller: Caller, register: str) -> Any:
    operator = caller.issuer.headers("registers", "platform.operate")
    after = 0
    while True:
        answer = caller.get(f"/registers/{register}/verification?after={after}", operator)
        assert answer.status_code == 200, answer.text
        part = answer.get_json()
        if part["done"]:
            return part
        assert part["verified"] > after or after == part["size"]
        after = part["verified"]


def test_what_was_only_appended_to_and_loaded_into_is_whole(stored: Caller) -> None:
    create(stored.database, [*towns(1, 300), *towns(1, 50, "New")])
    load(stored.database, towns(301, 600))
    stored.append(vessel(1))
    stored.get("/registers/town/checkpoint")
    stored.get("/registers/town/v1/checkpoint")
    for register, size in (("town", 650), ("fishing-vessel", 13), ("island", 189)):
        part = verified(stored, register)
        assert (part["verified"], part["size"], part["difference"]) == (size, size, None)


def test_only_the_operator_has_a_register_verified(stored: Caller) -> None:
    assert stored.get("/registers/island/verification").status_code == 401
    assert stored.get("/registers/island/verification", stored.custodian).status_code == 403
    operator = stored.issuer.headers("registers", "platform.operate")
    assert stored.get("/registers/nothing/verification", operator).status_code == 404
    assert stored.get("/registers/island/verification?after=x", operator).status_code == 400


def _of(table: Any, register_id: int, number: int) -> Any:
    return (table.register_id == register_id, table.number == number)


CHANGES: dict[str, tuple[Any, int | None]] = {
    "the content of an item": (
        lambda at: update(Blob).where(*_of(Blob, at, 57)).values(content="{}"),
        57,
    ),
    "an item with its hash of version 1": (
        lambda at: update(Blob).where(*_of(Blob, at, 57)).values(item_hash=bytes(32)),
        57,
    ),
    "an item's hash of version 2": (
        lambda at: update(Blob).where(*_of(Blob, at, 57)).values(hash=bytes(32)),
        57,
    ),
    "an item is gone": (lambda at: delete(Blob).where(*_of(Blob, at, 57)), 57),
    "the time of an entry": (
        lambda at: update(Entry).where(*_of(Entry, at, 400)).values(timestamp=1),
        400,
    ),
    "the item of an entry": (
        lambda at: update(Entry).where(*_of(Entry, at, 400)).values(blob=57),
        400,
    ),
    "an entry is gone": (lambda at: delete(Entry).where(*_of(Entry, at, 599)), 599),
    "an entry too many": (
        lambda at: insert(Entry).values(register_id=at, number=651, timestamp=1, key="x", blob=1),
        651,
    ),
    "a leaf at the edge": (
        lambda at: update(Edge).where(*_of(Edge, at, 600), Edge.tree == 1).values(hash=bytes(32)),
        600,
    ),
    "a frozen tile": (
        lambda at: update(Tile)
        .where(*_of(Tile, at, 1), Tile.tree == 2, Tile.level == 0)
        .values(data=bytes(8192)),
        257,
    ),
    "an upper tile": (
        lambda at: update(Tile)
        .where(*_of(Tile, at, 0), Tile.tree == 1, Tile.level == 1)
        .values(data=bytes(64)),
        1,
    ),
    "the head": (
        lambda at: update(Head).where(Head.register_id == at).values(peaks=bytes(96)),
        None,
    ),
    "a record": (
        lambda at: update(Record)
        .where(Record.register_id == at, Record.key == "T-77")
        .values(number=78, blob=78),
        77,
    ),
    "a record is gone": (
        lambda at: delete(Record).where(Record.register_id == at, Record.key == "T-77"),
        77,
    ),
    "where an item is found": (
        lambda at: delete(BlobPlace).where(
            *_of(BlobPlace, at, 57), BlobPlace.kind == blobs.ITEM
        ),
        57,
    ),
    "the number of records": (
        lambda at: update(Head).where(Head.register_id == at).values(records=1),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_behind_the_services_back_is_named(registers: Caller, what: str) -> None:
    create(registers.database, [*towns(1, 600), *towns(1, 50, "New")])
    assert verified(registers, "town")["difference"] is None
    change, entry = CHANGES[what]
    with registers.database.transaction() as session:
        session.execute(change(head_of(registers.database)["id"]))
    difference = verified(registers, "town")["difference"]
    assert difference is not None
    assert difference["entry-number"] == entry, difference


def test_a_head_put_back_behind_a_checkpoint_is_named(registers: Caller) -> None:
    registers.get("/registers/island/checkpoint")
    registers.get("/registers/fishing-vessel/checkpoint")
    with registers.database.transaction() as session:
        session.execute(
            update(Head)
            .where(Head.register_id == head_of(registers.database, "fishing-vessel")["id"])
            .values(size=11)
        )
    assert verified(registers, "fishing-vessel")["difference"] is not None
    assert verified(registers, "island")["difference"] is None
