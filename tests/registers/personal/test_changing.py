"""Entering, changing and erasing personal records; every proof stays valid."""

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from servicekit import merkle
from services.registers.domain import objecthash
from services.registers.storage.personal import Correction, PersonalRecord, PersonalValue
from tests.registers.personal.owners import BASE, VALUES, Owners

# -- entering and changing


def test_a_custodian_enters_a_record_once_for_each_key(owners: Owners) -> None:
    first = owners.keep("POST", "personal/records", sent={"item": VALUES})
    assert first.status_code == 201
    assert first.headers["Location"].endswith("/registers/vessel-owner/entries/3")
    assert "Aishath" not in first.text
    again = owners.keep("POST", "personal/records", sent={"item": VALUES})
    assert again.json == first.json, "the same answer, and no second record"
    other = owners.keep("POST", "personal/records", sent={"item": VALUES | {"owner": "Somebody"}})
    assert other.status_code == 409
    told: Any = first.json
    leaf = merkle.leaf_hash(
        objecthash.entry_hash(
            3,
            told["entry"]["key"],
            told["entry"]["entry-timestamp"],
            objecthash.blob_hash(told["item"]),
        )
    )
    path = [bytes.fromhex(one[4:]) for one in told["audit-path"]]
    root = bytes.fromhex(told["root-hash"][4:])
    assert merkle.verify_inclusion(leaf, 2, 3, path, root)
    assert len(owners.own("GET", "personal/records").json["records"]) == 2  # type: ignore[index]


def test_a_change_is_another_entry_with_new_salts(owners: Owners) -> None:
    before = owners.record()
    key, values = before["key"], before["values"] | {"owner-phone": "+9607000109"}
    changed = owners.keep("PUT", f"personal/records/{key}", sent={"item": values})
    assert changed.status_code == 200, changed.text
    record = owners.own("GET", f"personal/records/{key}").json
    assert record["values"]["owner-phone"] == "+9607000109"  # type: ignore[index]
    history = record["history"]  # type: ignore[index]
    assert [one["values"]["owner-phone"] for one in history] == ["+9607000101", "+9607000109"]
    names = [one["disclosures"]["owner"]["salt"] for one in history]
    assert names[0] != names[1], "the same value under another salt cannot be linked"
    same = owners.keep("PUT", f"personal/records/{key}", "k-2", sent={"item": values})
    assert same.status_code == 409


def test_a_change_of_another_persons_record_finds_nothing(still: Owners) -> None:
    key = still.record()["key"]
    sent = {"item": VALUES}
    for method in ("PUT", "DELETE"):
        given: dict[str, Any] = {"sent": sent} if method == "PUT" else {}
        crossed = still.keep(method, f"personal/records/{key}", about="sub-zeena", **given)
        assert crossed.status_code == 404
    assert still.record()["values"]["owner"] == "Aishath Demo"


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"vessel": "fishing-vessel:NONE"}, "/item/vessel"),
        ({"vessel": "island:K-Thulusdhoo"}, "/item/vessel"),
        ({"since": "yesterday"}, "/item/since"),
        ({"vessel-owner": "mine"}, "/item/vessel-owner"),
        ({"nothing": "x"}, "/item/nothing"),
        ({"owner": ["two", "names"]}, "/item/owner"),
        ({}, "/item"),
    ],
)
def test_faulty_values_are_named_and_nothing_is_kept(
    still: Owners, item: Any, pointer: str
) -> None:
    refused = still.keep("POST", "personal/records", sent={"item": item})
    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == pointer  # type: ignore[index]
    assert still.caller.json(f"{BASE}/context")["statistics"]["total-entries"] == 2


def test_only_the_custodian_changes(still: Owners) -> None:
    key = still.record()["key"]
    for method, path in (
        ("POST", "records"),
        ("PUT", f"records/{key}"),
        ("DELETE", f"records/{key}"),
    ):
        sent = None if method == "DELETE" else {"item": VALUES}
        refused = still.ask(method, f"personal/{path}", sent=sent, once="k-9")
        assert refused.status_code == 403
        assert refused.json["type"].endswith("/not-custodian")  # type: ignore[index]
    no_key = still.keep("POST", "personal/records", once=None, sent={"item": VALUES})
    assert no_key.status_code == 400


def test_eight_writers_leave_no_gap_and_repeat_nothing(owners: Owners) -> None:
    statuses: list[int] = []

    def write(number: int) -> None:
        for each in range(2):
            done = owners.keep(
                "POST", "personal/records", f"w-{number}-{each}", sent={"item": VALUES}
            )
            statuses.append(done.status_code)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert statuses == [201] * 16
    numbers = [one["entry-number"] for one in owners.caller.json(f"{BASE}/entries")]
    assert numbers == list(range(1, 19))


# -- erasing


def test_erasing_leaves_every_proof_valid(owners: Owners) -> None:
    caller, record = owners.caller, owners.record()
    key = record["key"]
    proofs = {n: caller.json(f"{BASE}/proofs/entries/{n}/2")["audit-path"] for n in (1, 2)}
    before = {path: caller.get(f"{BASE}/{path}").text for path in ("entries/1", "entries/2")}
    head = caller.json(f"{BASE}/proofs/register")
    blob = caller.get(f"{BASE}/blobs/{record['blob-hash']}").text
    note = caller.get(f"{BASE}/checkpoint").text
    assert owners.keep("DELETE", f"personal/records/{key}").status_code == 200

    assert {path: caller.get(f"{BASE}/{path}").text for path in before} == before
    assert caller.get(f"{BASE}/blobs/{record['blob-hash']}").text == blob
    for n, path in proofs.items():
        assert caller.json(f"{BASE}/proofs/entries/{n}/2")["audit-path"] == path
    nodes = caller.json(f"{BASE}/proofs/consistency/2/3")["audit-path"]
    after = caller.json(f"{BASE}/proofs/register")
    assert merkle.verify_consistency(
        2,
        3,
        [bytes.fromhex(one[4:]) for one in nodes],
        bytes.fromhex(head["root-hash"][4:]),
        bytes.fromhex(after["root-hash"][4:]),
    )
    assert caller.get(f"{BASE}/checkpoint").text.splitlines()[1] == "3" != note.splitlines()[1]
    verified = caller.get(f"{BASE}/verification", caller.token("platform.operate", "none")).json
    assert verified["difference"] is None  # type: ignore[index]


def test_what_is_erased_is_gone_for_everybody(owners: Owners) -> None:
    record = owners.record()
    key = record["key"]
    assert (
        owners.own(
            "POST",
            f"personal/records/{key}/corrections",
            sent={"erase": True, "because": "I sold it"},
        ).status_code
        == 201
    )
    assert owners.keep("DELETE", f"personal/records/{key}").status_code == 200
    assert owners.own("GET", "personal/records").json == {"records": [], "next": None}
    assert owners.own("GET", f"personal/records/{key}").status_code == 404
    with owners.caller.database.snapshot() as session:
        left = session.scalars(select(PersonalValue.field).where(PersonalValue.key == key)).all()
        assert not left
        assert not session.scalars(select(Correction.id)).all()
        subject = session.scalar(select(PersonalRecord.subject).where(PersonalRecord.key == key))
        assert subject is None
    shown = owners.caller.json(f"{BASE}/records/{key}")
    assert set(shown) == {"_id", "vessel-owner", "erased"}
    again = owners.keep("DELETE", f"personal/records/{key}", "k-2")
    assert again.status_code == 404
    same = owners.keep("DELETE", f"personal/records/{key}")
    assert same.status_code == 200, "a repeated request is told the same"


def test_the_file_forgets_what_was_erased(ours: Owners) -> None:
    """Not only the row: the pages of the file hold the encrypted values no more."""
    key, database = ours.record()["key"], ours.caller.database
    with database.snapshot() as session:
        sealed = session.scalars(select(PersonalValue.sealed).where(PersonalValue.key == key)).all()
    ours.keep("DELETE", f"personal/records/{key}")
    file = Path(database.engine.url.database or "")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = file.read_bytes()
    assert len(sealed) == 4
    assert not [one for one in sealed if bytes(one)[12:44] in data]
