"""Reads answer in the published forms, page by cursor, and let caches keep what never changes."""

import csv
import io
import json
import re
from typing import Any

import pytest

from tests.registers.conftest import Caller, settings, vessel

HASH = re.compile(r"1220[0-9a-f]{64}")


def links(response: Any) -> dict[str, str]:
    found = {}
    for header in response.headers.getlist("Link"):
        match = re.fullmatch(r'<(.*)>; rel="([a-z-]+)"', header)
        assert match, header
        found[match[2]] = match[1]
    return found


def test_the_list_of_registers_says_what_each_one_is(untouched: Caller) -> None:
    listed = untouched.json("/registers")["registers"]
    assert [one["id"] for one in listed] == [
        "atoll",
        "island",
        "council",
        "ministry",
        "country",
        "fishing-vessel",
        "birth",
        "register",
        "field",
        "datatype",
    ]
    for one in listed:
        assert one["title"]["en"]
        assert one["title"]["dv"]
        assert one["description"]["en"]
        assert HASH.fullmatch(one["root-hash"])
        assert one["updated"] == "2026-03-01T05:00:00Z"
        assert one["entries"] == one["records"]
        assert one["source"]
    assert [one["id"] for one in listed if one["synthetic"]] == ["fishing-vessel", "birth"]


def test_the_context_is_that_of_the_specification(untouched: Caller) -> None:
    context = untouched.json("/registers/council/context")
    assert context["id"] == "council"
    assert context["hashing-algorithm"] == {
        "codec": "sha2-256",
        "function-type": 18,
        "digest-length": 32,
    }
    assert context["statistics"] == {
        "total-entries": 183,
        "total-records": 183,
        "total-blobs": 183,
    }
    assert context["status"] == {"start-date": "2026-03-01T05:00:00Z"}
    assert context["synthetic"] is False
    islands = context["schema"][-1]
    assert islands["id"] == "islands"
    assert (islands["datatype"], islands["cardinality"]) == ("curie", "n")
    assert islands["register"] == "island"
    proof = untouched.json("/registers/council/proofs/register")
    assert proof == {"root-hash": context["root-hash"], "total-entries": 183}


def test_synthetic_registers_say_so(untouched: Caller) -> None:
    context = untouched.json("/registers/fishing-vessel/context")
    assert context["synthetic"] is True
    assert "owner" not in {field["id"] for field in context["schema"]}


def test_a_record_is_its_latest_item(untouched: Caller) -> None:
    response = untouched.get("/registers/island/records/K-Thulusdhoo")
    assert response.headers["Content-Type"] == "application/json"
    record = json.loads(response.data)
    assert record["_id"] == record["island"] == "K-Thulusdhoo"
    assert record["atoll"] == "atoll:K"
    assert record["coordinates"] == "4.372974,73.648045"
    history = links(response)["version-history"]
    assert history == "http://localhost:8000/registers/island/records/K-Thulusdhoo/entries"
    entries = untouched.json(history.removeprefix("http://localhost:8000"))
    assert [entry["key"] for entry in entries] == ["K-Thulusdhoo"]
    assert response.headers["ETag"] == f'"{entries[0]["blob-hash"]}"'


def test_an_entry_is_one_object_with_a_number(untouched: Caller) -> None:
    entry = untouched.json("/registers/atoll/entries/8")
    assert set(entry) == {"entry-number", "entry-timestamp", "key", "blob-hash"}
    assert entry["entry-number"] == 8
    assert entry["key"] == "K"
    blob = untouched.json(f"/registers/atoll/blobs/{entry['blob-hash']}")
    assert blob.pop("_id") == entry["blob-hash"]
    record = untouched.json("/registers/atoll/records/K")
    assert record.pop("_id") == "K"
    assert record == blob


@pytest.mark.parametrize("name", ["records", "entries", "blobs"])
@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_pages_lead_through_the_whole_list_and_back(
    untouched: Caller, name: str, suffix: str
) -> None:
    def rows(response: Any) -> list[Any]:
        if suffix == ".json":
            return list(json.loads(response.data))
        return list(csv.DictReader(io.StringIO(response.text, newline="")))

    whole = rows(untouched.get(f"/registers/island/{name}{suffix}?limit=5000"))
    assert len(whole) == 189
    path, pages = f"/registers/island/{name}{suffix}?limit=50", []
    while path:
        response = untouched.get(path)
        pages.append(rows(response))
        last, path = path, links(response).get("next", "").removeprefix("http://localhost:8000")
    assert [len(page) for page in pages] == [50, 50, 50, 39]
    assert [row for page in pages for row in page] == whole
    for page in reversed(pages[:-1]):
        last = links(untouched.get(last))["previous"].removeprefix("http://localhost:8000")
        assert rows(untouched.get(last)) == page
    assert "previous" not in links(untouched.get(last))


def test_a_page_holds_a_hundred_unless_asked(untouched: Caller) -> None:
    assert len(untouched.json("/registers/country/records")) == 100
    assert len(untouched.json("/registers/country/records?limit=1")) == 1


def test_a_page_past_the_end_is_empty(untouched: Caller) -> None:
    response = untouched.get("/registers/atoll/entries?start=999999")
    assert json.loads(response.data) == []
    assert set(links(response)) == {"previous"}


def test_links_begin_with_the_public_address(registers: Caller) -> None:
    config = registers.app.config
    config["ATOLL_SETTINGS"] = settings(public_url="https://atoll.example")
    response = registers.get("/registers/atoll/records?limit=1")
    assert (
        links(response)["next"] == "https://atoll.example/registers/atoll/records?start=ADh&limit=1"
    )


def test_csv_is_exactly_as_specified(untouched: Caller) -> None:
    response = untouched.get("/registers/council/records/MLE-Male-City.csv")
    assert response.headers["Content-Type"] == "text/csv;charset=UTF-8"
    assert response.text == (
        "_id,council,name,council-type,atoll,islands\r\n"
        "MLE-Male-City,MLE-Male-City,Male' City Council,city,atoll:MLE,"
        "island:MLE-Hulhumale;island:MLE-Male;island:MLE-Villimale\r\n"
    )
    entry = untouched.get("/registers/council/entries/1", {"Accept": "text/csv"})
    assert entry.headers["Content-Type"] == "text/csv;charset=UTF-8"
    assert entry.text.splitlines()[0] == "entry-number,entry-timestamp,key,blob-hash"


@pytest.mark.parametrize(
    ("suffix", "accept", "kind"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("", "text/csv", "text/csv;charset=UTF-8"),
        ("", "application/json;q=0.5, text/csv", "text/csv;charset=UTF-8"),
        (".json", "text/csv", "application/json"),
        (".csv", "application/json", "text/csv;charset=UTF-8"),
    ],
)
def test_the_suffix_beats_the_accept_header(
    untouched: Caller, suffix: str, accept: str | None, kind: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    for path in ("records", "records/K", "entries", "entries/1", "blobs", "records/K/entries"):
        response = untouched.get(f"/registers/atoll/{path}{suffix}", headers)
        assert response.status_code == 200, path
        assert response.headers["Content-Type"] == kind, path


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("records", "text/html"),
        ("records/K", "application/xml"),
        ("entries/1", "application/json;q=0"),
        ("context.csv", "*/*"),
        ("context", "text/csv"),
        ("proofs/register.csv", "*/*"),
        ("proofs/entries/1/2", "text/csv"),
        ("proofs/consistency/1/2.csv", "application/json"),
    ],
)
def test_a_format_that_is_not_there_is_refused(untouched: Caller, path: str, accept: str) -> None:
    response = untouched.get(f"/registers/atoll/{path}", {"Accept": accept})
    assert response.status_code == 406
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["entries/1", "entries/1.csv", "proofs/entries/1/9", "proofs/consistency/2/9"]
)
def test_what_never_changes_may_be_kept(untouched: Caller, path: str) -> None:
    response = untouched.get(f"/registers/atoll/{path}")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["ETag"]


def test_blobs_are_kept_by_their_own_hash(untouched: Caller) -> None:
    digest = untouched.json("/registers/atoll/entries/1")["blob-hash"]
    response = untouched.get(f"/registers/atoll/blobs/{digest}")
    assert response.headers["ETag"] == f'"{digest}"'
    assert "immutable" in response.headers["Cache-Control"]
    other = untouched.get(f"/registers/atoll/blobs/{digest}.csv")
    assert other.headers["ETag"] != response.headers["ETag"]


@pytest.mark.parametrize(
    "path",
    ["/registers", "/registers/fishing-vessel/context", "/registers/fishing-vessel/records",
     "/registers/fishing-vessel/records/T-1", "/registers/fishing-vessel/proofs/register"],
)  # fmt: skip
def test_what_changes_is_asked_for_again(registers: Caller, path: str) -> None:
    registers.append(vessel(1), "first")
    before = registers.get(path)
    assert before.headers["Cache-Control"] == "public, no-cache"
    known = {"If-None-Match": before.headers["ETag"]}
    same = registers.get(path, known)
    assert (same.status_code, same.data) == (304, b"")
    assert same.headers["ETag"] == before.headers["ETag"]
    registers.append(vessel(1, length_m="9.5"), "second")
    assert registers.get(path, known).status_code == 200


def test_a_new_entry_shows_in_the_record_at_once(registers: Caller) -> None:
    registers.append(vessel(1), "first")
    registers.append(vessel(1, name="New name"), "second")
    assert registers.json("/registers/fishing-vessel/records/T-1")["name"] == "New name"
    history = registers.json("/registers/fishing-vessel/records/T-1/entries")
    assert [entry["entry-number"] for entry in history] == [13, 14]
    paged = registers.get("/registers/fishing-vessel/records/T-1/entries?limit=1")
    assert links(paged)["next"].endswith("/records/T-1/entries?start=14&limit=1")
    context = registers.json("/registers/fishing-vessel/context")
    assert context["statistics"] == {
        "total-entries": 14,
        "total-records": 13,
        "total-blobs": 14,
    }


def test_a_slash_in_a_key_is_written_as_an_escape(registers: Caller) -> None:
    assert registers.append({"fishing-vessel": "A/7", "name": "Slash"}).status_code == 201
    for path in ("A%2F7", "A%2F7.json"):
        assert registers.json(f"/registers/fishing-vessel/records/{path}")["name"] == "Slash"
    response = registers.get("/registers/fishing-vessel/records/A%2F7")
    history = links(response)["version-history"].removeprefix("http://localhost:8000")
    assert history.endswith("/records/A%2F7/entries")
    assert registers.json(history)[0]["key"] == "A/7"


def test_pages_of_any_origin_may_read(registers: Caller) -> None:
    for path in ("/registers", "/registers/atoll/records/K", "/registers/atoll/records/none"):
        response = registers.get(path, {"Origin": "https://elsewhere.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    appended = registers.append(vessel(1))
    assert "Access-Control-Allow-Origin" not in appended.headers


def test_head_answers_like_get_without_a_body(untouched: Caller) -> None:
    response = untouched.client.head(
        "/registers/atoll/records/K", headers={"Atoll-Gateway-Key": "k" * 64}
    )
    assert response.status_code == 200
    assert response.headers["ETag"]
    assert response.data == b""
