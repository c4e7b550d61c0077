"""A load is there as a whole or not at all, and leaves the register provable."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servicekit import merkle
from servicekit.database import Database
from servicekit.problems import Conflict
from services.registers.domain import rsf
from services.registers.problems import RegisterLoading
from services.registers.storage import abandoned, chunks, heads, log, system, trees
from services.registers.storage.trees import TREES
from tests.registers.conftest import Caller, vessel
from tests.registers.storage.loads import (
    NOW,
    assert_whole,
    create,
    entry,
    everything,
    head_of,
    item,
    load,
    towns,
)

CORPUS = Path(__file__).parents[4] / "shared" / "data" / "openregister-rsf"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 300)


def test_a_created_register_has_what_the_commands_say(migrated: Database) -> None:
    loaded = create(migrated, towns(1, 1500))
    assert (loaded.size, loaded.entries, loaded.items) == (1500, 1500, 1500)
    head = head_of(migrated)
    assert (head["size"], head["records"], head["blobs"]) == (1500, 1500, 1500)
    assert head["updated"] == NOW - 10
    assert (head["loading"], head["hidden"]) == (None, False)
    assert_whole(migrated)
    with migrated.snapshot() as session:
        record = log.find_record(session, "town", "T-777")
        assert record is not None
        assert record.content == '{"name":"Town 777","town":"T-777"}'
        assert record.number == 777
        for column, find in (("hash", log.find_blob), ("item_hash", log.find_item)):
            assert find(session, "town", getattr(record, column)) is not None


def test_two_loads_are_the_same_as_one(migrated: Database, bare: Database) -> None:
    create(migrated, towns(1, 700))
    load(migrated, towns(1, 400, "New"))
    load(migrated, towns(701, 900))
    create(bare, [*towns(1, 700), *towns(1, 400, "New"), *towns(701, 900)])
    one, two = everything(migrated), everything(bare)
    assert {name: len(rows) for name, rows in one.items()} == {
        name: len(rows) for name, rows in two.items()
    }
    assert one == two
    assert_whole(migrated)


def test_items_may_all_come_before_all_entries(migrated: Database, bare: Database) -> None:
    interleaved = list(towns(1, 1000))
    create(migrated, sorted(interleaved, key=lambda one: isinstance(one, rsf.AppendEntry)))
    create(bare, interleaved)
    assert everything(migrated) == everything(bare)


def test_a_load_proves_like_entries_appended_one_by_one(migrated: Database) -> None:
    create(migrated, towns(1, 900))
    head = head_of(migrated)
    with migrated.snapshot() as session:
        for tree in TREES:
            leaves = trees.leaf_hashes(session, head["id"], tree, 1, 900)
            for number, size in ((1, 1), (1, 256), (256, 257), (700, 899), (900, 900)):
                path = trees.inclusion(session, head["id"], tree, number, size)
                assert path == merkle.inclusion_proof(leaves[:size], number - 1)
            for old, new in ((1, 900), (255, 256), (256, 512), (300, 899)):
                path = trees.consistency(session, head["id"], tree, old, new)
                assert path == merkle.consistency_proof(leaves[:new], old)
                assert trees.root(session, head["id"], tree, old) == merkle.root(leaves[:old])


def test_repeated_items_are_kept_once(migrated: Database) -> None:
    a, b = item("T-1", "A"), item("T-1", "B")
    commands = [a, entry("T-1", a), b, entry("T-1", b), a, entry("T-1", a), entry("T-1", b)]
    assert create(migrated, commands).items == 2
    again = load(migrated, [a, entry("T-1", a)])
    assert (again.size, again.items) == (5, 0)
    only_in_register = load(migrated, [entry("T-1", b)])
    assert (only_in_register.size, only_in_register.items) == (6, 0)
    assert_whole(migrated)


FAULTS = [
    ([entry("T-1", item("T-1", "A"))], "neither in the file"),
    ([item("T-1", "A")], "No later entry names this item"),
    ([*towns(1, 1), entry("T-1", item("T-1", "Town 1"))], "has this very item already"),
    ([*towns(1, 2), rsf.AssertRoot(9, bytes(32))], "The root of the 2006 entries"),
    ([item("T-1", "A"), entry("T-2", item("T-1", "A"))], "must hold the key T-2"),
    ([(a := item("T-1", "A")), entry("T-1", a, NOW + 1)], "dated in the future"),
]


@pytest.mark.parametrize(("commands", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_a_faulty_file_leaves_nothing(
    migrated: Database, commands: list[rsf.Command], reason: str
) -> None:
    create(migrated, towns(100, 1000))
    load(migrated, towns(150, 200, "New"))
    before = everything(migrated)
    with pytest.raises(rsf.Faulty, match=reason):
        load(migrated, [*towns(300, 950, "Lost"), *towns(2000, 2400), *commands])
    assert everything(migrated) == before


def test_a_register_that_cannot_be_created_leaves_nothing(migrated: Database) -> None:
    before = everything(migrated)
    with pytest.raises(rsf.Faulty):
        create(migrated, [*towns(1, 1000), item("T-1", "A")])
    assert everything(migrated) == before
    create(migrated, towns(1, 10))
    with pytest.raises(Conflict):
        create(migrated, towns(1, 10))
    assert head_of(migrated)["size"] == 10


def test_relaxed_rules_append_repeats_and_say_so(migrated: Database) -> None:
    a = item("T-1", "A")
    loaded = create(migrated, [a, entry("T-1", a), entry("T-1", a)], relaxed=True)
    assert loaded.size == 2
    assert len(loaded.warnings) == 1
    skipping = load(migrated, [a, entry("T-1", a), *towns(2, 3)], skip_repeats=True)
    assert (skipping.size, skipping.skipped, skipping.warnings) == (4, 1, [])
    assert_whole(migrated)


def test_nobody_sees_a_load_before_it_is_published(migrated: Database) -> None:
    create(migrated, towns(1, 1000))
    seen: list[dict[str, Any]] = []

    def look() -> dict[str, Any]:
        with migrated.snapshot() as session:
            head = heads.find_register(session, "town")
            assert head is not None
            record = log.find_record(session, "town", "T-5")
            page = log.records_page(session, head["id"], "T-5", 3)
            return {
                "size": head["size"],
                "record": record and record.content,
                "page": [(row.key, row.content, row.number) for row in page.rows],
                "new": log.find_record(session, "town", "T-1001"),
                "entry": log.find_entry(session, "town", 1001),
                "last": log.entries_page(session, head["id"], 999, 5).rows[-1].number,
                "blobs": len(log.blobs_page(session, head["id"], None, 5000).rows),
                "blob": log.find_blob(session, "town", item("T-5", "New 5").item_hash),
                "root": trees.root(session, head["id"], "v2", 1000),
            }

    before = look()

    def commands() -> Iterator[rsf.Command]:
        yield from towns(1, 800, "New")
        seen.append(look())
        yield from towns(1001, 1700)
        seen.append(look())

    load(migrated, commands(), also=lambda session: seen.append(before))
    assert seen == [before] * 3
    after = look()
    assert after["size"] == 2500
    assert after["record"] == '{"name":"New 5","town":"T-5"}'
    assert_whole(migrated)


def test_other_registers_take_appends_while_one_is_loaded(stored: Caller) -> None:
    statuses = []

    def commands() -> Iterator[rsf.Command]:
        for start in range(1, 3000, 500):
            yield from towns(start, start + 499)
            statuses.append(stored.append(vessel(start), f"during-{start}").status_code)

    create(stored.database, commands())
    assert statuses == [201] * 6
    assert head_of(stored.database)["size"] == 3000
    assert_whole(stored.database, "fishing-vessel")


def test_a_register_that_is_being_loaded_takes_no_append_and_no_second_load(
    migrated: Database,
) -> None:
    create(migrated, towns(1, 10))
    refused = []

    def commands() -> Iterator[rsf.Command]:
        yield from towns(11, 500)
        with pytest.raises(RegisterLoading):
            load(migrated, towns(501, 502))
        refused.append(head_of(migrated)["loading"] is not None)

    load(migrated, commands())
    assert refused == [True]
    assert head_of(migrated)["size"] == 500


def test_an_append_during_a_load_is_told_to_come_back(stored: Caller) -> None:
    def commands() -> Iterator[rsf.Command]:
        yield from towns(11, 500)
        with stored.database.transaction() as session:
            from sqlalchemy import update

            from services.registers.storage.tables import Head

            register_id = head_of(stored.database, "fishing-vessel")["id"]
            session.execute(
                update(Head).where(Head.register_id == register_id).values(loading="another")
            )
        answer = stored.append(vessel(1), "during")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.get_json()["type"].endswith("/register-loading")
        assert abandoned.discard_if_abandoned(stored.database, register_id)
        assert stored.append(vessel(1), "during").status_code == 201

    create(stored.database, commands())


def test_a_load_whose_register_was_reset_stops(migrated: Database) -> None:
    create(migrated, towns(1, 10))

    def commands() -> Iterator[rsf.Command]:
        yield from towns(11, 400)
        register_id = head_of(migrated)["id"]
        abandoned.discard(migrated, register_id)
        yield from towns(401, 900)

    before = everything(migrated)
    with pytest.raises(Conflict, match="reset"):
        load(migrated, commands())
    assert everything(migrated) == before


def test_two_loads_of_two_registers_at_once(stored: Caller) -> None:
    from services.registers.domain.checking import Checker
    from services.registers.storage import loading

    head = head_of(stored.database, "country")
    entries = {"country": "ZZ", "name": "Nowhere"}
    faults: list[Exception] = []

    def load_country() -> None:
        from services.registers.domain import canonical

        content = canonical.item_json(entries)
        added = rsf.AddItem(1, content, canonical.item_hash(content), entries)
        try:
            loading.load(
                stored.database,
                "country",
                [added, rsf.AppendEntry(2, "user", "ZZ", NOW, added.item_hash)],
                checker=Checker("country", heads.fields_of(head)),
                now=NOW,
            )
        except Exception as fault:  # noqa: BLE001 (told to the test)
            faults.append(fault)

    thread = threading.Thread(target=load_country)

    def commands() -> Iterator[rsf.Command]:
        yield from towns(1, 900)
        thread.start()
        thread.join()

    create(stored.database, commands())
    assert faults == []
    assert head_of(stored.database, "country")["size"] == head["size"] + 1
    assert_whole(stored.database, "country")
    assert_whole(stored.database)


def test_records_at_any_size_are_what_they_were(migrated: Database) -> None:
    create(migrated, [*towns(1, 60), *towns(1, 30, "New"), *towns(61, 90)])
    register_id = head_of(migrated)["id"]
    with migrated.snapshot() as session:
        for size in (1, 5, 59, 60, 61, 75, 90, 91, 120):
            expected: dict[str, str] = {}
            for row in log.entries_between(session, register_id, 1, size):
                expected[row.key] = row.content
            found: dict[str, str] = {}
            start = None
            while True:
                page = log.records_at(session, register_id, size, start, 7)
                found |= {row.key: row.content for row in page.rows}
                start = page.next
                if start is None:
                    break
            assert list(found) == sorted(expected)
            assert found == expected
            assert log.records_count_at(session, register_id, size) == len(expected)
            one = log.record_at(session, register_id, "T-5", size)
            assert (one.content if one else None) == expected.get("T-5")


def test_the_system_log_has_items_of_its_own(migrated: Database) -> None:
    name = rsf.AddItem(1, '{"name":"town"}', item("x", "y").item_hash, {"name": "town"})
    commands = [name, rsf.AppendEntry(2, "system", "name", NOW, name.item_hash), *towns(1, 3)]
    loaded = create(migrated, commands)
    assert (loaded.system_entries, loaded.entries, loaded.items) == (1, 3, 3)
    register_id = head_of(migrated)["id"]
    with migrated.snapshot() as session:
        (row,) = system.entries(session, register_id)
        assert (row.number, row.key, row.content) == (1, "name", '{"name":"town"}')
        assert log.find_item(session, "town", row.item_hash) == '{"name":"town"}'


@pytest.mark.parametrize("name", ["country", "allergen", "clinical-commissioning-group"])
def test_real_registers_load_with_every_root_they_assert(migrated: Database, name: str) -> None:
    path = CORPUS / f"{name}.rsf"
    if not path.is_file():
        pytest.skip("the published registers (../shared/data/openregister-rsf) are absent")

    class Anything:
        def faults(self, key: str, values: Any) -> list[Any]:
            return []

    with path.open("rb") as file:
        from services.registers.storage import loading
        from tests.registers.storage.loads import TOWN

        loaded = loading.create_and_load(
            migrated,
            TOWN | {"name": name},
            rsf.parse(rsf.lines_of(file)),
            checker=Anything(),  # type: ignore[arg-type]
            relaxed=True,
            now=NOW,
        )
    assert loaded.entries > 0
    assert_whole(migrated, name)
