"""Appends: for custodians only, checked, once for each key, gap-free however many write at once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit import merkle
from services.registers import minting, start_state
from services.registers.domain import objecthash
from services.registers.storage import appending, heads, trees
from tests.registers.conftest import Caller, settings, vessel
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

SIZE = 12  # entries of the vessels' register in the start state


def size_of(caller: Caller) -> int:
    return int(caller.json("/registers/fishing-vessel/proofs/register")["total-entries"])


def slug(response: TestResponse) -> str:
    return str(response.get_json()["type"]).rpartition("/")[2]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in a thread each, all let go at the same moment; return what they returned."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_a_custodian_appends_and_is_told_where(registers: Caller, clock: FakeClock) -> None:
    item = vessel(1, length_m="9.4", home_island="island:K-Thulusdhoo", licence="L-1")
    response = registers.append(item)
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Location"] == (
        "http://localhost:8000/registers/fishing-vessel/entries/13"
    )
    answer = response.get_json()
    assert list(answer) == ["entry", "item", "total-entries", "root-hash", "audit-path"]
    assert answer["item"] == item
    assert answer["entry"]["entry-timestamp"] == "2026-03-03T05:00:00Z"
    assert registers.json("/registers/fishing-vessel/entries/13") == answer["entry"]
    assert registers.json("/registers/fishing-vessel/records/T-1") == {"_id": "T-1", **item}


def test_a_later_item_changes_the_record_and_keeps_its_history(stored: Caller) -> None:
    first = stored.append(vessel(1), "a").get_json()
    second = stored.append(vessel(1, name="Renamed"), "b").get_json()
    third = stored.append(vessel(1), "c").get_json()
    history = stored.json("/registers/fishing-vessel/records/T-1/entries")
    assert history == [answer["entry"] for answer in (first, second, third)]
    assert third["entry"]["blob-hash"] == first["entry"]["blob-hash"], "one blob, two entries"
    blobs = stored.json("/registers/fishing-vessel/context")["statistics"]["total-blobs"]
    assert blobs == SIZE + 2
    assert stored.json("/registers/fishing-vessel/records/T-1")["name"] == "Boat 1"


def test_what_the_record_says_already_is_not_said_again(stored: Caller) -> None:
    stored.append(vessel(1), "a")
    again = stored.append(vessel(1, licence=""), "b")
    assert again.status_code == 409
    assert slug(again) == "unchanged-record"
    assert size_of(stored) == SIZE + 1


def test_a_clock_that_goes_back_never_dates_an_entry_before_another(
    registers: Caller, clock: FakeClock
) -> None:
    registers.append(vessel(1), "a")
    clock.advance(hours=-5)
    later = registers.append(vessel(2), "b").get_json()
    assert later["entry"]["entry-timestamp"] == "2026-03-03T05:00:00Z"


def test_a_repeated_request_gets_the_same_answer_and_one_entry(stored: Caller) -> None:
    first = stored.append(vessel(1), "same")
    stored.append(vessel(2), "other")
    stored.append(vessel(1, name="Changed since"), "third")
    again = stored.append(vessel(1), "same")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Location"] == first.headers["Location"]
    assert size_of(stored) == SIZE + 3


def test_the_order_of_members_does_not_make_another_request(registers: Caller) -> None:
    first = registers.send('{"item": {"fishing-vessel": "T-1", "name": "Boat"}}')
    again = registers.send('{"item":{"name":"Boat","fishing-vessel":"T-1","licence":null}}')
    assert again.data == first.data


def test_a_key_with_another_item_is_refused(stored: Caller) -> None:
    stored.append(vessel(1), "same")
    other = stored.append(vessel(2), "same")
    assert other.status_code == 409
    assert slug(other) == "idempotency-key-reused"
    assert size_of(stored) == SIZE + 1


def test_a_refused_request_leaves_its_key_free(registers: Caller) -> None:
    assert registers.append(vessel(1, length_m="long"), "same").status_code == 422
    assert registers.append(vessel(1, home_island="island:Nowhere"), "same").status_code == 422
    assert registers.append(vessel(1, length_m="9"), "same").status_code == 201


def test_keys_of_different_clients_never_meet(registers: Caller) -> None:
    other = registers.token(client_id="another-client")
    assert registers.append(vessel(1), "same").status_code == 201
    assert registers.append(vessel(2), "same", headers=other).status_code == 201
    assert size_of(registers) == SIZE + 2


def test_a_repeat_waits_for_the_first_that_is_still_under_way(stored: Caller) -> None:
    with stored.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
    assert register is not None
    item = minting.check(register, vessel(1))
    asked = minting.Asked("fishing-vessel", "test-client", "same", item)
    answers: list[TestResponse] = []
    repeat = threading.Thread(target=lambda: answers.append(stored.append(vessel(1), "same")))
    with stored.database.transaction() as session:
        told = minting.append_once(session, asked, 1_772_500_000)
        repeat.start()
        repeat.join(0.3)
        assert repeat.is_alive(), "the repeat must not be answered before the first is committed"
    repeat.join(20)
    assert answers[0].status_code == 201
    assert answers[0].text == told.body
    assert size_of(stored) == SIZE + 1


def test_a_request_undone_before_its_commit_leaves_nothing(stored: Caller) -> None:
    with stored.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
    assert register is not None
    item = minting.check(register, vessel(1))
    asked = minting.Asked("fishing-vessel", "test-client", "same", item)

    def append_and_fail() -> None:
        with stored.database.transaction() as session:
            minting.append_once(session, asked, 1_772_500_000)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        append_and_fail()
    assert size_of(stored) == SIZE
    assert stored.append(vessel(1), "same").get_json()["entry"]["entry-number"] == SIZE + 1


def test_eight_writers_leave_no_gap_and_no_repeat(stored: Caller) -> None:
    def write(writer: int) -> list[Any]:
        return [
            stored.append(vessel(100 * writer + n), f"{writer}-{n}").get_json() for n in range(8)
        ]

    told = [a for part in at_once(*(lambda w=w: write(w) for w in range(8))) for a in part]
    assert sorted(answer["total-entries"] for answer in told) == list(range(SIZE + 1, SIZE + 65))
    entries = stored.json("/registers/fishing-vessel/entries?limit=5000")
    assert [entry["entry-number"] for entry in entries] == list(range(1, SIZE + 65))
    with stored.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
        assert register is not None
        leaves = trees.leaf_hashes(session, register["id"], "v2", 1, register["size"])
        assert heads.root_hash(register) == objecthash.multihash(merkle.root(leaves))
    for answer in told:
        size = answer["total-entries"]
        assert answer["entry"] == entries[size - 1]
        assert answer["root-hash"] == objecthash.multihash(merkle.root(leaves[:size]))
        path = [objecthash.digest_of(step) or b"" for step in answer["audit-path"]]
        head = merkle.root(leaves[:size])
        assert merkle.verify_inclusion(leaves[size - 1], size - 1, size, path, head)


def test_eight_repeats_at_once_are_one_entry_and_one_answer(stored: Caller) -> None:
    answers = at_once(*[lambda: stored.append(vessel(1), "same")] * 8)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert size_of(stored) == SIZE + 1


def test_eight_writers_of_one_record_follow_each_other(stored: Caller) -> None:
    at_once(*(lambda n=n: stored.append(vessel(1, name=f"Name {n}"), f"k{n}") for n in range(8)))
    history = stored.json("/registers/fishing-vessel/records/T-1/entries")
    assert [entry["entry-number"] for entry in history] == list(range(SIZE + 1, SIZE + 9))
    record = stored.json("/registers/fishing-vessel/records/T-1")
    record.pop("_id")
    assert objecthash.multihash(objecthash.blob_hash(record)) == history[-1]["blob-hash"]


def test_appends_and_resets_never_block_each_other_for_good(stored: Caller) -> None:
    def write(writer: int) -> list[int]:
        return [
            stored.append(vessel(writer, name=f"{n}"), f"{writer}-{n}").status_code
            for n in range(6)
        ]

    def reset() -> list[int]:
        for _ in range(3):
            start_state.reset(settings(), stored.database)
        return []

    codes = at_once(*(lambda w=w: write(w) for w in range(6)), reset)
    assert {code for part in codes for code in part} == {201}
    entries = stored.json("/registers/fishing-vessel/entries?limit=5000")
    assert [entry["entry-number"] for entry in entries] == list(range(1, len(entries) + 1))


def test_a_batch_is_the_same_log_as_its_items_one_by_one(stored: Caller) -> None:
    with stored.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
    assert register is not None
    items = [minting.check(register, vessel(n % 5, name=f"Name {n // 5 % 2}")) for n in range(1200)]
    with stored.database.transaction() as session:
        head = heads.lock_register(session, "fishing-vessel")
        assert head is not None
        done = appending.append_entries(session, head, items, 1_772_500_000)
    with stored.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
        assert register is not None
        leaves = trees.leaf_hashes(session, register["id"], "v2", 1, SIZE + 1200)
    assert (register["size"], register["records"], register["blobs"]) == (1212, 17, 22)
    assert done.number == 1212
    assert done.root == merkle.root(leaves)
    assert merkle.verify_inclusion(leaves[-1], 1211, 1212, done.audit_path, done.root)
    entry = stored.json("/registers/fishing-vessel/records/T-4/entries?limit=5000")[-1]
    assert entry["entry-number"] == 1212


def test_a_reference_must_lead_to_a_record(stored: Caller) -> None:
    response = stored.append(vessel(1, home_island="island:K-Atlantis"))
    assert response.status_code == 422
    assert response.get_json()["errors"] == [
        {
            "detail": "The register island has no record K-Atlantis.",
            "pointer": "/item/home-island",
        }
    ]
    assert size_of(stored) == SIZE


def test_every_faulty_field_is_named(registers: Caller) -> None:
    response = registers.append({"name": ["x"], "length-m": "9,4", "owner": "Aishath"})
    assert response.status_code == 422
    assert slug(response) == "invalid"
    assert {error["pointer"] for error in response.get_json()["errors"]} == {
        "/item/name",
        "/item/length-m",
        "/item/owner",
        "/item/fishing-vessel",
    }


def test_several_values_are_appended_where_the_field_takes_several(registers: Caller) -> None:
    role = registers.token(role="registers:custodian:council")
    item = {
        "council": "T-Test",
        "name": "Test Council",
        "islands": ["island:K-Thulusdhoo", "island:K-Huraa"],
    }
    assert registers.append(item, register="council", headers=role).status_code == 201
    assert registers.json("/registers/council/records/T-Test")["islands"] == item["islands"]


class TestWhoMayAppend:
    def test_without_a_token_nobody(self, registers: Caller) -> None:
        response = registers.append(vessel(1), headers={})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    def test_an_expired_token_is_refused(self, registers: Caller) -> None:
        headers = registers.token(lifetime_s=-60)
        assert registers.append(vessel(1), headers=headers).status_code == 401

    def test_a_forged_token_is_refused(self, registers: Caller) -> None:
        headers = FakeIssuer().headers(
            "registers", "registers.append", roles=["registers:custodian:fishing-vessel"]
        )
        assert registers.append(vessel(1), headers=headers).status_code == 401

    def test_a_token_for_another_service_is_refused(self, registers: Caller) -> None:
        headers = registers.issuer.headers("notify", "registers.append")
        assert registers.append(vessel(1), headers=headers).status_code == 401

    def test_the_scope_is_needed(self, registers: Caller) -> None:
        response = registers.append(vessel(1), headers=registers.token(scope="registers.read"))
        assert response.status_code == 403
        assert slug(response) == "insufficient-scope"

    @pytest.mark.parametrize(
        "role",
        ["", "registers:custodian", "registers:custodian:island", "registers:custodian:fishing"],
    )
    def test_the_role_for_this_register_is_needed(self, registers: Caller, role: str) -> None:
        response = registers.append(vessel(1), headers=registers.token(role=role))
        assert response.status_code == 403
        assert slug(response) == "not-custodian"
        assert size_of(registers) == SIZE

    def test_the_custodian_of_one_register_leaves_others_alone(self, registers: Caller) -> None:
        response = registers.append({"island": "X", "name": "X"}, register="island")
        assert response.status_code == 403

    def test_without_the_gateways_key_nobody_is_answered(self, registers: Caller) -> None:
        response = registers.client.get("/registers")
        assert response.status_code == 403
        body = json.dumps({"item": vessel(1)})
        sent = registers.client.post("/registers/fishing-vessel/entries", data=body)
        assert sent.status_code == 403
