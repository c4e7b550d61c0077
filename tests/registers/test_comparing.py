"""Registers as they were, and what changed since: the log answers for any of its sizes."""

from typing import Any

import pytest

from tests.registers.conftest import Caller, vessel
from tests.support.clock import FakeClock

PATH = "/registers/fishing-vessel"


@pytest.fixture
def grown(stored: Caller, clock: FakeClock) -> Caller:
    """Twelve entries of the start state, then three more, an hour apart."""
    for number, item in enumerate(
        (vessel(1, licence="L-1"), vessel(2), vessel(1, name="Renamed")), start=1
    ):
        clock.advance(hours=1)
        assert stored.append(item, f"k{number}").status_code == 201
    return stored


def test_a_record_is_read_as_it_was(grown: Caller) -> None:
    now = grown.json(f"{PATH}/records/T-1")
    assert now == {"_id": "T-1", "fishing-vessel": "T-1", "name": "Renamed"}
    was = grown.get(f"{PATH}/records/T-1?log-size=13")
    assert was.get_json()["name"] == "Boat 1"
    assert was.headers["Memento-Datetime"] == "Tue, 03 Mar 2026 06:00:00 GMT"
    assert grown.get(f"{PATH}/records/T-1?log-size=12").status_code == 404
    assert grown.json(f"{PATH}/records/T-1?at=2026-03-03T07:30:00Z")["name"] == "Boat 1"
    assert grown.json(f"{PATH}/records/T-1?at=2026-03-03")["name"] == "Renamed"
    assert grown.get(f"{PATH}/records/T-1?at=2026-03-02").status_code == 404
    assert "Boat 1" in grown.get(f"{PATH}/records/T-1.csv?log-size=14").text


def test_lists_are_read_as_they_were_and_their_pages_stay_there(grown: Caller) -> None:
    assert len(grown.json(f"{PATH}/records?log-size=12")) == 12
    assert len(grown.json(f"{PATH}/records?log-size=13")) == 13
    assert len(grown.json(f"{PATH}/records?at=2026-03-03T06:00:00Z")) == 13
    assert grown.json(f"{PATH}/records?log-size=0") == []
    page = grown.get(f"{PATH}/records?log-size=13&limit=5")
    assert "log-size=13" in page.headers["Link"]
    entries = grown.json(f"{PATH}/entries?log-size=14&limit=5000")
    assert [entry["entry-number"] for entry in entries] == list(range(1, 15))
    last = grown.get(f"{PATH}/entries?at=2026-03-03T06:59:59Z&start=11&limit=2")
    assert [entry["entry-number"] for entry in last.get_json()] == [11, 12]
    assert "log-size=13" in last.headers["Link"]
    assert len(grown.json(f"{PATH}/records/T-1/entries?log-size=14")) == 1
    assert grown.json(f"{PATH}/v1/records?log-size=13")["T-1"]["item"][0]["name"] == "Boat 1"


@pytest.mark.parametrize(
    "query",
    ["log-size=16", "log-size=-1", "log-size=x", "at=yesterday", "at=2026-13-01",
     "log-size=1&at=2026-03-03", "log-size=3&name=name&value=x", "log-size=3&page-index=1"],
)  # fmt: skip
def test_moments_that_are_none_are_refused(grown: Caller, query: str) -> None:
    assert grown.get(f"{PATH}/records?{query}").status_code == 400


def test_a_register_is_compared_with_itself(grown: Caller) -> None:
    told = grown.json(f"{PATH}/diff?from=12")
    assert (told["from"], told["to"]) == (12, 15)
    by_key = {each["key"]: each for each in told["changes"]}
    assert by_key["T-2"]["change"] == "added"
    assert by_key["T-1"]["entries"] == [13, 15]
    later = grown.json(f"{PATH}/diff?from=13&to=15")["changes"]
    assert next(each for each in later if each["key"] == "T-1")["fields"] == [
        {"field": "licence", "before": "L-1", "after": None},
        {"field": "name", "before": "Boat 1", "after": "Renamed"},
    ]
    assert grown.json(f"{PATH}/diff?from=15")["changes"] == []


def test_what_changed_back_did_not_change(grown: Caller) -> None:
    grown.append(vessel(1, licence="L-1"), "back")
    keys = [each["key"] for each in grown.json(f"{PATH}/diff?from=13")["changes"]]
    assert keys == ["T-2"]


def test_long_comparisons_come_in_pages(grown: Caller) -> None:
    seen: list[Any] = []
    path = f"{PATH}/diff?from=0&to=15&limit=4"
    while path:
        page = grown.get(path)
        seen += [each["key"] for each in page.get_json()["changes"]]
        link = page.headers.get("Link", "")
        path = link.partition("<")[2].partition(">")[0].removeprefix("http://localhost:8000")
    assert seen == [each["_id"] for each in grown.json(f"{PATH}/records")]


@pytest.mark.parametrize("query", ["", "from=x", "from=16", "from=9&to=3", "from=1&to=99"])
def test_sizes_that_are_none_are_refused(grown: Caller, query: str) -> None:
    assert grown.get(f"{PATH}/diff?{query}").status_code == 400


def test_a_record_is_compared_with_itself(grown: Caller) -> None:
    told = grown.json(f"{PATH}/records/T-1/diff?from=13")
    assert [each["field"] for each in told["fields"]] == ["licence", "name"]
    assert grown.get(f"{PATH}/records/T-9/diff?from=1").status_code == 404


def test_the_history_of_a_record_says_what_each_entry_changed_and_why(grown: Caller) -> None:
    response = grown.send(
        '{"item": {"fishing-vessel": "T-1", "name": "Boat 1"}, "reason": "Renamed by mistake"}', "c"
    )
    assert response.status_code == 201, response.text
    told = grown.json(f"{PATH}/records/T-1/history")
    assert told["total-versions"] == 3
    assert [each["change"] for each in told["versions"]] == ["added", "changed", "changed"]
    assert told["versions"][2]["reason"] == "Renamed by mistake"
    assert told["versions"][1]["reason"] is None
    assert told["versions"][2]["fields"] == [
        {"field": "name", "before": "Renamed", "after": "Boat 1"}
    ]
    second = grown.get(f"{PATH}/records/T-1/history?limit=1&start=15")
    assert second.get_json()["versions"][0]["fields"][1]["before"] == "Boat 1"
    assert "start=16" in second.headers["Link"]
    assert grown.get(f"{PATH}/records/T-9/history").status_code == 404
