"""Version 1 of the specification, and what version 2 shares with it: exact forms, paging, moves."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit import merkle, migrate
from servicekit.database import Database
from services.registers.domain import canonical
from tests.registers.conftest import PACKAGE, VECTORS, Caller
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

COUNTRY = VECTORS.parents[1] / "data" / "openregister-rsf" / "country-208-no-assert.rsf"
V1 = "/registers/country/v1"
ENTRY_HEADER = ["index-entry-number", "entry-number", "entry-timestamp", "key", "item-hash"]
FIELDS = ["country", "name", "official-name", "citizen-names", "start-date", "end-date"]
CSV = "text/csv;charset=UTF-8"


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The country register that the specification prints its examples from."""
    if not COUNTRY.is_file():
        pytest.skip("the published country register is absent")
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('country') / 'country.db'}")
    migrate.upgrade(PACKAGE, database)
    caller = Caller(database, FakeIssuer(), FakeClock())
    response = caller.load(COUNTRY.read_bytes(), "/registers/load")
    assert response.status_code == 201, response.text
    yield caller
    database.dispose()


def table(caller: Caller, path: str) -> list[list[str]]:
    response = caller.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == CSV
    text = response.data.decode()
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


def links(response: Any) -> dict[str, str]:
    found = {}
    for header in response.headers.getlist("Link"):
        match = re.fullmatch(r'<(.+)>; rel="(.+)"', header)
        assert match, header
        found[match[2]] = match[1].removeprefix("http://localhost:8000")
    return found


def test_proofs_are_those_that_the_specification_prints(country: Caller, vectors: Any) -> None:
    printed = vectors["country_register_end_to_end"]
    first, second = printed["v1"], printed["v2"]
    proof = f"{V1}/proof"
    assert country.json(f"{proof}/register/merkle:sha-256") == {
        "proof-identifier": "merkle:sha-256",
        "root-hash": first["root_hash"],
        "total-entries": 208,
    }
    assert country.json(f"{proof}/entries/10/200/merkle:sha-256") == {
        "proof-identifier": "merkle:sha-256",
        "entry-number": "10",
        "merkle-audit-path": first["audit_path_entry_10_of_200"],
    }
    assert country.json(f"{proof}/consistency/197/200/merkle:sha-256") == {
        "proof-identifier": "merkle:sha-256",
        "merkle-consistency-nodes": first["consistency_197_200"],
    }
    proofs = "/registers/country/proofs"
    assert country.json(f"{proofs}/register") == {
        "root-hash": second["root_hash"],
        "total-entries": 208,
    }
    path = {"audit-path": second["audit_path_entry_10_of_200"]}
    assert country.json(f"{proofs}/entries/10/200") == path
    assert country.json(f"{proofs}/entry/10/200") == path
    assert country.json(f"{proofs}/consistency/197/200") == {
        "audit-path": second["consistency_197_200"]
    }


def test_an_entry_is_a_list_of_one_with_numbers_as_texts(country: Caller, vectors: Any) -> None:
    printed = vectors["country_register_end_to_end"]["v1"]
    wanted = vectors["country_register_end_to_end"]["v1"]["entry_72"]
    entry = country.json(f"{V1}/entries/72")
    assert entry == [
        {
            "index-entry-number": "72",
            "entry-number": "72",
            "entry-timestamp": wanted["timestamp"],
            "key": wanted["key"],
            "item-hash": wanted["item-hash"],
        }
    ]
    assert list(entry[0]) == ENTRY_HEADER
    assert printed["root_hash"]
    assert table(country, f"{V1}/entries/72.csv") == [
        ENTRY_HEADER,
        ["72", "72", wanted["timestamp"], "GH", wanted["item-hash"][0]],
    ]


def test_the_leaves_are_the_entries_as_they_are_shown(country: Caller) -> None:
    shown = country.json(f"{V1}/entries?limit=5000")
    texts = [json.dumps(entry, separators=(",", ":"), ensure_ascii=False) for entry in shown]
    root = merkle.root([merkle.leaf_hash(text.encode()) for text in texts])
    proof = country.json(f"{V1}/proof/register/merkle:sha-256")
    assert proof["root-hash"] == canonical.write_hash(root)


def test_records_stand_under_their_keys(country: Caller) -> None:
    record = country.json(f"{V1}/records/GB")
    item = {
        "citizen-names": "Briton;British citizen",
        "country": "GB",
        "name": "United Kingdom",
        "official-name": "The United Kingdom of Great Britain and Northern Ireland",
    }
    assert record == {
        "GB": {
            "index-entry-number": "6",
            "entry-number": "6",
            "entry-timestamp": "2016-04-05T13:23:05Z",
            "key": "GB",
            "item": [item],
        }
    }
    rows = table(country, f"{V1}/records/GB.csv")
    assert rows[0] == [*ENTRY_HEADER[:4], *FIELDS]
    assert rows[1][3:6] == ["GB", "GB", "United Kingdom"]
    assert country.json(f"{V1}/records/GB/entries")[0]["entry-number"] == "6"
    assert table(country, f"{V1}/records/GB/entries.csv")[0] == ENTRY_HEADER
    assert len(country.json(f"{V1}/records?limit=5000")) == len(
        {entry["key"] for entry in country.json(f"{V1}/entries?limit=5000")}
    )
    history = links(country.get(f"{V1}/records/GB"))["version-history"]
    assert history == f"{V1}/records/GB/entries"


def test_items_are_found_by_the_hash_of_what_is_shown(country: Caller) -> None:
    entry = country.json(f"{V1}/entries/6")[0]
    address = f"{V1}/items/{entry['item-hash'][0]}"
    response = country.get(address)
    assert (
        canonical.write_hash(canonical.item_hash(response.data.decode())) == (entry["item-hash"][0])
    )
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["ETag"] == f'"{entry["item-hash"][0]}"'
    again = country.get(address, {"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304
    assert table(country, f"{address}.csv")[0] == FIELDS
    listed = country.json(f"{V1}/items?limit=5000")
    assert len(listed) == 208
    assert listed[entry["item-hash"][0]] == response.get_json()
    page = country.get(f"{V1}/items?limit=3")
    following = links(page)["next"]
    assert set(country.json(following)).isdisjoint(page.get_json())
    assert links(country.get(following))["previous"]


def test_items_of_the_system_log_are_found_too(country: Caller) -> None:
    content = '{"name":"country"}'
    address = f"{V1}/items/{canonical.write_hash(canonical.item_hash(content))}"
    assert country.get(address).data.decode() == content


def test_the_register_resource_has_the_members_of_version_1_and_no_other(country: Caller) -> None:
    for path in (f"{V1}/register", f"{V1}/register.json", "/registers/country/register"):
        register = country.json(path)
        assert list(register) == [
            "domain", "total-records", "total-entries", "total-items", "register-record",
            "custodian", "last-updated",
        ]  # fmt: skip
        assert register["domain"] == "localhost:8000"
        assert register["total-entries"] == 208
        assert register["total-records"] == 199
        assert register["custodian"] == "David de Silva"
        assert register["register-record"]["fields"] == FIELDS
        assert register["register-record"]["register"] == "country"
        assert set(register["register-record"]) <= {
            "register", "text", "registry", "phase", "copyright", "fields"
        }  # fmt: skip
    assert country.get("/registers/country/register.json").headers["Content-Type"] == (
        "application/json"
    )


def test_the_context_names_only_datatypes_of_the_suite(country: Caller) -> None:
    context = country.json("/registers/country/context")
    assert [field["id"] for field in context["schema"]] == FIELDS
    assert {field["datatype"] for field in context["schema"]} <= {
        "curie", "datetime", "name", "hash", "integer", "period", "string", "text", "url"
    }  # fmt: skip
    assert context["statistics"]["total-entries"] == 208


def test_a_point_is_shown_as_a_string_with_a_format(registers: Caller) -> None:
    item = {"cardinality": "1", "datatype": "point", "field": "place", "phase": "beta"}
    name = {"cardinality": "1", "datatype": "string", "field": "spot", "phase": "beta"}
    about = {"fields": ["spot", "place"], "phase": "beta", "register": "spot"}
    spot = {"place": "[73.5,4.1]", "spot": "1"}
    said = [("field:place", item), ("field:spot", name), ("register:spot", about)]
    contents = [canonical.item_json(each) for _, each in said] + [canonical.item_json(spot)]
    lines = [f"add-item\t{content}" for content in contents]
    at = "2020-01-01T00:00:00Z"
    for (key, _), content in zip(said, contents, strict=False):
        digest = canonical.write_hash(canonical.item_hash(content))
        lines.append(f"append-entry\tsystem\t{key}\t{at}\t{digest}")
    digest = canonical.write_hash(canonical.item_hash(contents[-1]))
    lines.append(f"append-entry\tuser\t1\t{at}\t{digest}")
    response = registers.load("\n".join(lines).encode(), "/registers/load")
    assert response.status_code == 201, response.text
    field = registers.json("/registers/spot/context")["schema"][1]
    assert (field["id"], field["datatype"], field["format"]) == ("place", "string", "position")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/v1", "/v1/register"),
        ("/v1/", "/v1/register"),
        ("/v1/record/GB", "/v1/records/GB"),
        ("/v1/record/GB.json", "/v1/records/GB.json"),
        ("/v1/record/GB/entries", "/v1/records/GB/entries"),
        ("/v1/record/A%2F1/entries", "/v1/records/A%2F1/entries"),
        ("/v1/entry/6.csv", "/v1/entries/6.csv"),
        ("/v1/item/sha-256:ab", "/v1/items/sha-256%3Aab"),
        ("/v1/proof/entry/10/200/merkle:sha-256",
         "/v1/proof/entries/10/200/merkle%3Asha-256"),
        ("/v1/entries/?start=5&limit=2", "/v1/entries?start=5&limit=2"),
        ("/v1/records/GB/", "/v1/records/GB"),
        ("/v1/country/GB", "/v1/records/GB"),
        ("/v1/name/Ghana", "/v1/records/name/Ghana"),
        ("", "/context"),
        ("/", "/context"),
    ],
)  # fmt: skip
def test_old_addresses_lead_on_for_good(country: Caller, old: str, new: str) -> None:
    response = country.get(f"/registers/country{old}")
    assert response.status_code == 301
    assert response.headers["Location"] == f"http://localhost:8000/registers/country{new}"
    target = country.get(f"/registers/country{new}")
    assert target.status_code in (200, 404)


@pytest.mark.parametrize("path", ["/v1/none/GB", "/v1/records/GB/entries/x/y", "/v1/a/b/c"])
def test_an_address_that_never_was_leads_nowhere(country: Caller, path: str) -> None:
    assert country.get(f"/registers/country{path}").status_code == 404


@pytest.mark.parametrize("ending", ["tsv", "ttl", "yaml", "xlsx"])
def test_formats_that_are_gone_say_so(country: Caller, ending: str) -> None:
    for path in ("/v1/records/GB", "/v1/entries", "/v1/register", "/records", "/entries/6"):
        response = country.get(f"/registers/country{path}.{ending}")
        assert response.status_code == 410, path
        assert response.get_json()["type"].endswith("/format-gone")


def test_records_are_found_by_a_value(country: Caller) -> None:
    assert list(country.json(f"{V1}/records/name/Ghana")) == ["GH"]
    found = country.json("/registers/country/records?name=name&value=Ghana")
    assert [record["_id"] for record in found] == ["GH"]
    assert country.json("/registers/country/records?name=name&value=ghana") == []
    assert table(country, f"{V1}/records/name/Ghana.csv")[1][3] == "GH"
    for query in ("name=name", "value=Ghana", "name=none&value=x",
                  "name=name&value=x&page-index=1"):  # fmt: skip
        assert country.get(f"/registers/country/records?{query}").status_code == 400
    assert country.get(f"{V1}/records/none/x").status_code == 400


@pytest.mark.parametrize("version", ["", "/v1"])
def test_records_are_paged_by_number_as_in_the_reference(country: Caller, version: str) -> None:
    base = f"/registers/country{version}/records"
    keys = []
    address = f"{base}?page-index=1&page-size=80"
    while address:
        response = country.get(address)
        assert response.status_code == 200
        shown = response.get_json()
        keys += list(shown) if version else [one["_id"] for one in shown]
        address = links(response).get("next", "")
    assert keys == sorted(set(keys))
    assert len(keys) == 199
    second = country.get(f"{base}?page-index=2&page-size=80")
    assert links(second)["previous"] == f"{base}?page-index=1&page-size=80"
    assert country.get(f"{base}?page-index=4&page-size=80").status_code == 404
    for query in ("page-index=0", "page-size=5001", "page-size=0", "page-index=x",
                  "page-index=1&start=GB", "page-index=-1"):  # fmt: skip
        assert country.get(f"{base}?{query}").status_code == 400, query


def test_a_snapshot_shows_each_key_as_it_was(country: Caller) -> None:
    entries = country.json("/registers/country/entries?limit=5000")
    for size in (0, 1, 130, 208):
        latest = {entry["key"]: entry for entry in entries[:size]}
        shown = country.json(f"/registers/country/snapshots/{size}?limit=5000")
        assert shown == [latest[key] for key in sorted(latest)]
    first = entries[0]
    assert country.json(f"/registers/country/snapshots/5/{first['key']}") == first
    assert country.get("/registers/country/snapshots/5/ZW").status_code == 404
    assert country.get("/registers/country/snapshots/209").status_code == 400
    assert country.get("/registers/country/snapshots/x").status_code == 404
    page = country.get("/registers/country/snapshots/100?limit=10")
    assert links(page)["next"].startswith("/registers/country/snapshots/100?start=")


@pytest.mark.parametrize(
    ("accept", "kind", "status"),
    [
        ("text/csv", CSV, 200),
        ("application/json", "application/json", 200),
        ("text/html,*/*;q=0.8", "application/json", 200),
        ("text/turtle", None, 406),
    ],
)
@pytest.mark.parametrize("path", ["/v1/entries", "/v1/records/GB", "/v1/items", "/snapshots/9"])
def test_the_suffix_beats_what_is_accepted(
    country: Caller, path: str, accept: str, kind: str | None, status: int
) -> None:
    response = country.get(f"/registers/country{path}", {"Accept": accept})
    assert response.status_code == status
    if kind:
        assert response.headers["Content-Type"] == kind
    for ending, fixed in (("json", "application/json"), ("csv", CSV)):
        response = country.get(f"/registers/country{path}.{ending}", {"Accept": accept})
        assert response.headers["Content-Type"] == fixed


def test_reads_may_be_asked_by_pages_of_any_origin_and_with_head(country: Caller) -> None:
    for path in ("/v1/records/GB", "/v1/entries", "/v1/none/x", "/snapshots/1", "/download-rsf"):
        response = country.client.head(
            f"/registers/country{path}", headers={"Atoll-Gateway-Key": "k" * 64}
        )
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.data == b""


def test_a_printed_list_of_values_is_joined_with_semicolons(registers: Caller) -> None:
    text = registers.get("/registers/council/v1/records/S-Addu-City.csv").data.decode()
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    shown = registers.json("/registers/council/v1/records/S-Addu-City")["S-Addu-City"]["item"][0]
    assert row["islands"].split(";") == shown["islands"]
    assert len(shown["islands"]) > 3


def test_nothing_is_served_that_an_old_register_would_delete(country: Caller) -> None:
    response = country.client.delete(
        "/registers/country/v1/delete-register-data", headers={"Atoll-Gateway-Key": "k" * 64}
    )
    assert response.status_code in (404, 405)


def test_version_1_writes_the_very_commands_that_were_loaded(country: Caller) -> None:
    export = country.get("/registers/country/v1/download-rsf").data
    body = b"".join(line for line in export.splitlines(True) if not line.startswith(b"assert"))
    assert sorted(body.splitlines()) == sorted(COUNTRY.read_bytes().splitlines())


def test_refusals_come_in_the_format_that_was_asked_for(country: Caller) -> None:
    path = "/registers/country/v1/records/none"
    for address, accept in ((f"{path}.csv", ""), (path, "text/csv")):
        response = country.get(address, {"Accept": accept})
        assert response.status_code == 404
        assert response.headers["Content-Type"] == CSV
        header, row = csv.reader(io.StringIO(response.data.decode(), newline=""))
        assert header == ["type", "title", "status", "detail"]
        assert row[2] == "404"
    page = country.get(path, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "/portal/problems/not-found" in page.text
    for accept in ("", "*/*", "application/json", "text/turtle", "application/problem+json"):
        plain = country.get(path, {"Accept": accept})
        assert plain.headers["Content-Type"] == "application/problem+json", accept
    assert country.get(f"{path}.json").headers["Content-Type"] == "application/problem+json"


def test_a_page_of_refusal_shows_what_was_sent_as_text_only(country: Caller) -> None:
    response = country.get("/registers/<script>", {"Accept": "text/html"})
    assert response.status_code == 404
    assert "<script>" not in response.text
