"""Several items at once, and appends that expect what the caller saw."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.registers.conftest import Caller, vessel
from tests.registers.storage.loads import assert_whole, head_of


def batch(caller: Caller, items: Any, key: str = "key-1", **headers: str) -> TestResponse:
    sent = caller.custodian | {name.replace("_", "-"): value for name, value in headers.items()}
    return caller.send(json.dumps({"items": items}), key, headers=sent)


def append(caller: Caller, item: Any, key: str = "key-1", **headers: str) -> TestResponse:
    sent = caller.custodian | {name.replace("_", "-"): value for name, value in headers.items()}
    return caller.append(item, key, headers=sent)


def test_a_batch_is_appended_in_its_order(stored: Caller) -> None:
    answer = batch(stored, [vessel(3), vessel(1), vessel(2)])
    assert answer.status_code == 201, answer.text
    told = answer.get_json()
    assert [entry["key"] for entry in told["entries"]] == ["T-3", "T-1", "T-2"]
    assert [entry["entry-number"] for entry in told["entries"]] == [13, 14, 15]
    assert told["total-entries"] == 15
    proof = stored.json("/registers/fishing-vessel/proofs/register")
    assert told["root-hash"] == proof["root-hash"]
    assert answer.headers["Location"].endswith("/registers/fishing-vessel/entries/13")
    assert_whole(stored.database, "fishing-vessel")


def test_a_batch_with_one_fault_appends_nothing(stored: Caller) -> None:
    before = head_of(stored.database, "fishing-vessel")["size"]
    refused = batch(stored, [vessel(1), vessel(2, unknown="x"), {"name": "no key"}])
    assert refused.status_code == 422
    pointers = {error["pointer"] for error in refused.get_json()["errors"]}
    assert pointers == {"/items/1/unknown", "/items/2/fishing-vessel"}
    nowhere = batch(stored, [vessel(1), vessel(2, home_island="island:K-Nowhere")])
    assert nowhere.status_code == 422
    unchanged = batch(stored, [vessel(1), vessel(1)])
    assert unchanged.status_code == 409
    assert head_of(stored.database, "fishing-vessel")["size"] == before


@pytest.mark.parametrize(
    "body",
    [{"items": []}, {"items": [1]}, {"items": [{}] * 1001}, {"item": {}, "items": [{}]}, {}, []],
)
def test_what_is_no_batch_is_refused(registers: Caller, body: Any) -> None:
    assert registers.send(json.dumps(body)).status_code in (400, 422)


def test_a_repeated_batch_gets_the_same_answer_and_another_is_refused(stored: Caller) -> None:
    first = batch(stored, [vessel(1), vessel(2)])
    again = batch(stored, [vessel(1), vessel(2)])
    assert (again.status_code, again.data) == (201, first.data)
    assert batch(stored, [vessel(2), vessel(1)]).status_code == 409
    assert batch(stored, [vessel(1)]).status_code == 409
    assert append(stored, vessel(1)).status_code == 409
    assert head_of(stored.database, "fishing-vessel")["size"] == 14


def test_an_append_expects_the_size_it_saw(stored: Caller) -> None:
    assert append(stored, vessel(1), "a", If_Match='"12"').status_code == 201
    refused = append(stored, vessel(2), "b", If_Match='"12"')
    assert refused.status_code == 412
    assert refused.get_json()["total-entries"] == 13
    assert append(stored, vessel(1), "a", If_Match='"12"').status_code == 201, "told again"
    assert append(stored, vessel(2), "b", If_Match='"13"').status_code == 201
    assert append(stored, vessel(3), "c", If_Match="*").status_code == 201
    assert append(stored, vessel(4), "d", If_Match='"x"').status_code == 400


def test_a_correction_expects_the_record_it_saw(stored: Caller) -> None:
    append(stored, vessel(1), "a")
    seen = stored.get("/registers/fishing-vessel/records/T-1").headers["ETag"]
    assert append(stored, vessel(1, name="B"), "b", If_Match=seen).status_code == 201
    refused = append(stored, vessel(1, name="C"), "c", If_Match=seen)
    assert refused.status_code == 412
    assert stored.json("/registers/fishing-vessel/records/T-1")["name"] == "B"


def test_eight_writers_of_batches_fill_tiles_without_gap_or_repeat(stored: Caller) -> None:
    def write(writer: int) -> list[int]:
        numbers = []
        for part in range(3):
            first = 1000 * writer + 100 * part
            answer = batch(stored, [vessel(first + n) for n in range(25)], f"{writer}-{part}")
            numbers += [entry["entry-number"] for entry in answer.get_json()["entries"]]
        return numbers

    with ThreadPoolExecutor(8) as pool:
        told = [number for part in pool.map(write, range(8)) for number in part]
    assert sorted(told) == list(range(13, 613))
    assert_whole(stored.database, "fishing-vessel")


def test_only_one_of_eight_who_expect_the_same_size_appends(stored: Caller) -> None:
    def write(writer: int) -> int:
        return append(stored, vessel(writer), f"{writer}", If_Match='"12"').status_code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(write, range(8)))
    assert codes == [201] + [412] * 7
