"""Search, facets, links in both directions and pickers: the same answers on both engines."""

import json
from typing import Any

import pytest

from services.registers import start_state
from services.registers.storage import searching
from tests.registers.conftest import Caller, settings, vessel

ISLAND = "/registers/island"
# what each query must find, on both engines: the first keys and how many there are
CORPUS: list[tuple[str, list[str], int]] = [
    ("thulusdhoo", ["K-Thulusdhoo"], 1),
    ("Thulus", ["K-Thulusdhoo"], 1),
    ("ތުލުސްދޫ", ["K-Thulusdhoo"], 1),
    ("ތުލުސް", ["K-Thulusdhoo"], 1),
    ("K-Thulusdhoo", ["K-Thulusdhoo"], 1),
    ("thulusdhoo k", ["K-Thulusdhoo"], 1),
    ("MV001016", ["HA-Baarah"], 1),
    ("no such island", [], 0),
]


def found(caller: Caller, query: str, register: str = "island") -> Any:
    return caller.json(f"/registers/{register}/search?{query}")


@pytest.mark.parametrize(("query", "first", "total"), CORPUS)
def test_records_are_found_by_words_of_both_languages(
    untouched_on_both: Caller, query: str, first: list[str], total: int
) -> None:
    told = found(untouched_on_both, f"q={query}")
    assert (told["total"], told["complete"]) == (total, True)
    assert [each["_id"] for each in told["results"]][: len(first)] == first


def test_a_vowel_sign_does_not_end_a_word(untouched_on_both: Caller) -> None:
    """An index that cut at vowel signs would find every island that has the bare letter."""
    islands = untouched_on_both.json(f"{ISLAND}/records?limit=500")
    for prefix in ("ހ", "މާ", "ދި", "ކު", "ފު"):
        told = found(untouched_on_both, f"q={prefix}&limit=500&sort=key")
        begun = {
            each["_id"]
            for each in islands
            if any(word.startswith(prefix) for word in each.get("name-dv", "").split())
        }
        assert {each["_id"] for each in told["results"]} == begun


def test_a_picker_gets_labels_and_the_best_first(untouched_on_both: Caller) -> None:
    told = found(untouched_on_both, "q=male&limit=5")
    best = told["results"][0]
    assert best["curie"] == f"island:{best['_id']}"
    assert best["label"]["en"].lower().startswith("mal")
    assert set(best) == {"_id", "curie", "label", "item"}


def test_pages_go_on_by_key_until_all_are_seen(untouched_on_both: Caller) -> None:
    seen: list[str] = []
    path = f"{ISLAND}/search?q=dhoo&sort=key&limit=7&filter=atoll:atoll:K"
    while path:
        page = untouched_on_both.get(path)
        seen += [each["_id"] for each in page.get_json()["results"]]
        link = page.headers.get("Link", "")
        path = link.partition("<")[2].partition(">")[0].removeprefix("http://localhost:8000")
    everything = found(untouched_on_both, "filter=atoll:atoll:K&limit=500&sort=key")
    assert everything["total"] == len(everything["results"]) > 5
    assert set(seen) <= {each["_id"] for each in everything["results"]}
    every = found(untouched_on_both, "limit=500")
    assert every["total"] == len(every["results"]) == 189


def test_facets_count_the_values(untouched_on_both: Caller) -> None:
    told = untouched_on_both.json(f"{ISLAND}/facets?limit=50")
    by_field = {each["field"]: each for each in told["facets"]}
    assert "name" not in by_field, "every island has its own"
    counts = {each["value"]: each for each in by_field["atoll"]["values"]}
    assert sum(each["count"] for each in counts.values()) == 189
    assert counts["atoll:K"]["label"]["en"] == "Kaafu"
    order = [each["count"] for each in by_field["atoll"]["values"]]
    assert order == sorted(order, reverse=True)
    few = untouched_on_both.json(f"{ISLAND}/facets?field=atoll&q=thulusdhoo")
    assert few["facets"][0]["values"] == [
        {"value": "atoll:K", "count": 1, "label": counts["atoll:K"]["label"]}
    ]
    some = untouched_on_both.json(f"{ISLAND}/facets?field=atoll&filter=atoll:atoll:K&limit=1")
    assert some["facets"][0]["values"][0]["count"] == counts["atoll:K"]["count"]


def test_links_are_followed_in_both_directions(untouched_on_both: Caller) -> None:
    told = untouched_on_both.json(f"{ISLAND}/records/K-Thulusdhoo/links")
    out = {each["field"]: each for each in told["outgoing"]}
    assert (out["atoll"]["curie"], out["atoll"]["exists"]) == ("atoll:K", True)
    assert out["atoll"]["href"] == "http://localhost:8000/registers/atoll/records/K"
    into = {(each["register"], each["field"]): each for each in told["incoming"]}
    vessels = into["fishing-vessel", "home-island"]
    assert "DEMO-0001" in {each["_id"] for each in vessels["records"]}
    assert vessels["records"][0]["label"]["en"]
    assert into["council", "islands"]["total"] == 1
    path = vessels["all"].removeprefix("http://localhost:8000")
    again = untouched_on_both.json(path)
    assert again["total"] == vessels["total"]
    assert untouched_on_both.get(f"{ISLAND}/records/K-Atlantis/links").status_code == 404


def test_what_changed_is_found_under_its_new_words_only(stored: Caller) -> None:
    assert found(stored, "q=renamed", "fishing-vessel")["total"] == 0
    stored.append(vessel(1, licence="ZQ77"), "a")
    assert found(stored, "q=boat", "fishing-vessel")["total"] == 1
    stored.append(vessel(1, name="Renamed"), "b")
    assert found(stored, "q=boat", "fishing-vessel")["total"] == 0
    assert found(stored, "q=zq77", "fishing-vessel")["total"] == 0
    assert found(stored, "q=renam", "fishing-vessel")["results"][0]["_id"] == "T-1"


def test_a_long_log_is_written_bit_by_bit_and_says_so(
    stored: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "AT_ONCE", 5)
    monkeypatch.setattr(searching, "PATIENCE", 5)
    monkeypatch.setattr(searching.catch_up, "__defaults__", (5,))
    first = found(stored, "q=demo", "fishing-vessel")
    assert first["complete"] is False
    with stored.database.snapshot() as session:
        assert searching.behind(session) == ["fishing-vessel"]
    found(stored, "q=demo", "fishing-vessel")
    last = found(stored, "q=demo", "fishing-vessel")
    assert (last["complete"], last["total"]) == (True, 12)


def test_a_register_too_large_is_searched_by_key_alone(
    stored: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST_RECORDS", 5)
    told = found(stored, "q=DEMO-00", "fishing-vessel")
    assert (told["complete"], told["total"]) == (False, None)
    assert told["results"][0]["_id"] == "DEMO-0001"


def test_a_broken_index_is_written_again(stored: Caller) -> None:
    found(stored, "q=boat", "fishing-vessel")
    with stored.database.transaction() as session:
        session.execute(searching.update(searching.SearchState).values(size=0))
    assert found(stored, "q=demo", "fishing-vessel")["total"] == 12


def test_a_reset_forgets_the_words(stored: Caller) -> None:
    stored.append(vessel(1), "a")
    assert found(stored, "q=boat", "fishing-vessel")["total"] == 1
    start_state.reset(settings(), stored.database)
    assert found(stored, "q=boat", "fishing-vessel")["total"] == 0


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "sort=name", "start=K&sort=relevance", "filter=atoll",
     "filter=owner:x", "x=y", "q=" + "a" * 201, "start=_", "filter=name:" + "a" * 101],
)  # fmt: skip
def test_queries_that_make_no_sense_are_refused(untouched: Caller, query: str) -> None:
    assert untouched.get(f"{ISLAND}/search?{query}").status_code == 400


def test_strange_words_find_nothing_and_break_nothing(untouched_on_both: Caller) -> None:
    for query in ("%25", "'%22;--", "%00", "%F0%9F%87%B2", "=atoll=", "\U0010ffff", "%C2%A0"):
        told = untouched_on_both.get(f"{ISLAND}/search?q={query}")
        assert told.status_code == 200, query
        json.loads(told.data)
