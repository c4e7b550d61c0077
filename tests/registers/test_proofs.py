"""Anyone can check what the register says with nothing but its answers."""

import hashlib
from typing import Any

import pytest

from servicekit import merkle
from services.registers.domain import objecthash
from services.registers.start_state import read_seed
from services.registers.storage import heads as stored_heads
from tests.registers.conftest import Caller, vessel


def digest(text: str) -> bytes:
    found = objecthash.digest_of(text)
    assert found is not None
    return found


def leaf(entry: dict[str, Any]) -> bytes:
    """The leaf hash of an entry, from what the API says and nothing else."""
    return merkle.leaf_hash(
        objecthash.entry_hash(
            entry["entry-number"],
            entry["key"],
            entry["entry-timestamp"],
            digest(entry["blob-hash"]),
        )
    )


@pytest.mark.parametrize("name", ["atoll", "island", "council", "ministry", "country"])
def test_the_tree_head_is_over_the_entries_and_the_entries_over_the_items(
    untouched: Caller, name: str
) -> None:
    entries = untouched.json(f"/registers/{name}/entries?limit=5000")
    assert [entry["entry-number"] for entry in entries] == list(range(1, len(entries) + 1))
    head = untouched.json(f"/registers/{name}/proofs/register")
    assert head["total-entries"] == len(entries)
    assert digest(head["root-hash"]) == merkle.root([leaf(entry) for entry in entries])
    blobs = {
        blob.pop("_id"): blob for blob in untouched.json(f"/registers/{name}/blobs?limit=5000")
    }
    for entry in entries:
        blob = blobs[entry["blob-hash"]]
        assert objecthash.multihash(objecthash.blob_hash(blob)) == entry["blob-hash"]


def test_every_entry_is_proved_at_every_size(untouched: Caller) -> None:
    entries = untouched.json("/registers/ministry/entries")
    leaves = [leaf(entry) for entry in entries]
    for size in range(1, len(entries) + 1):
        for number in range(1, size + 1):
            proof = untouched.json(f"/registers/ministry/proofs/entries/{number}/{size}")
            assert merkle.verify_inclusion(
                leaves[number - 1],
                number - 1,
                size,
                [digest(step) for step in proof["audit-path"]],
                merkle.root(leaves[:size]),
            )


def test_the_log_only_grew_across_every_append(registers: Caller) -> None:
    heads = [registers.json("/registers/fishing-vessel/proofs/register")]
    for number in range(20):
        assert (
            registers.append(vessel(number % 15, length_m=str(number)), f"k{number}").status_code
            == 201
        )
        heads.append(registers.json("/registers/fishing-vessel/proofs/register"))
    assert [head["total-entries"] for head in heads] == list(range(12, 33))
    for old in heads:
        for new in heads[heads.index(old) :]:
            path = registers.json(
                f"/registers/fishing-vessel/proofs/consistency/"
                f"{old['total-entries']}/{new['total-entries']}"
            )
            assert merkle.verify_consistency(
                old["total-entries"],
                new["total-entries"],
                [digest(step) for step in path["audit-path"]],
                digest(old["root-hash"]),
                digest(new["root-hash"]),
            )


def test_an_append_is_answered_with_its_own_proof(registers: Caller) -> None:
    for number in range(9):
        answer = registers.append(vessel(number), f"k{number}").get_json()
        assert answer["total-entries"] == answer["entry"]["entry-number"] == 13 + number
        assert (
            objecthash.multihash(objecthash.blob_hash(answer["item"]))
            == answer["entry"]["blob-hash"]
        )
        path = [digest(step) for step in answer["audit-path"]]
        size = answer["total-entries"]
        head = digest(answer["root-hash"])
        assert merkle.verify_inclusion(leaf(answer["entry"]), size - 1, size, path, head)
        served = registers.json(f"/registers/fishing-vessel/proofs/entries/{size}/{size}")
        assert served["audit-path"] == answer["audit-path"]
        changed = answer["entry"] | {"key": "T-other"}
        assert not merkle.verify_inclusion(leaf(changed), size - 1, size, path, head)


def test_an_empty_log_has_the_head_of_nothing(registers: Caller) -> None:

    register = next(one for one in read_seed() if one["name"] == "atoll")
    register.pop("rows")
    with registers.database.transaction() as session:
        stored_heads.add_register(session, register | {"name": "empty", "id": 99})
    head = registers.json("/registers/empty/proofs/register")
    assert head == {"root-hash": "1220" + hashlib.sha256(b"").hexdigest(), "total-entries": 0}
    for name in ("records", "entries", "blobs"):
        assert registers.json(f"/registers/empty/{name}") == []
    assert registers.get("/registers/empty/proofs/entries/1/1").status_code == 400


@pytest.mark.parametrize(
    "path",
    ["entries/0/9", "entries/10/9", "entries/1/0", "entries/1/22", "entries/01/9",
     "consistency/0/9", "consistency/9/8", "consistency/1/22", "consistency/0/0",
     "entries/1/" + "9" * 5000, "consistency/1/99999999999999999999"],
)  # fmt: skip
def test_a_proof_that_cannot_exist_is_refused(untouched: Caller, path: str) -> None:
    response = untouched.get(f"/registers/atoll/proofs/{path}")
    assert response.status_code == 400
    assert response.get_json()["type"].endswith("/problems/no-such-proof")


@pytest.mark.parametrize("path", ["entries/x/9", "entries/1/-1", "consistency/1.5/2", "other", ""])
def test_what_is_no_number_is_not_there(untouched: Caller, path: str) -> None:
    assert untouched.get(f"/registers/atoll/proofs/{path}").status_code == 404
