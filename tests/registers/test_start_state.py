"""The start state: real facts with sources, references that resolve, the same heads always."""

import csv
import json
import unicodedata
from typing import Any

import pytest
from sqlalchemy import func, select

from servicekit import migrate
from servicekit.database import Database
from services.registers import start_state
from services.registers.domain import datatypes, declarations, keys
from services.registers.storage import heads, metadata, system
from services.registers.storage.tables import Register
from tests.registers.conftest import PACKAGE, Caller, settings, vessel

SIZES = {
    "atoll": 21,
    "island": 189,
    "council": 183,
    "ministry": 15,
    "country": 249,
    "fishing-vessel": 12,
    "birth": 2,
    "datatype": 12,
}
SEED = {register["name"]: register for register in start_state.read_seed()}
# made from the others: a row for each register, and one for each field that any of them has
SIZES["register"] = len(SEED)
SIZES["field"] = len({field["id"] for one in SEED.values() for field in one["fields"]})


def rows(name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = SEED[name]["rows"]
    return found


def test_every_register_is_there_in_full(untouched: Caller) -> None:
    listed = untouched.json("/registers")["registers"]
    assert {one["id"]: one["records"] for one in listed} == SIZES
    assert {name: len(one["rows"]) for name, one in SEED.items()} == SIZES


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_register_credits_its_sources(name: str) -> None:
    register = SEED[name]
    assert register["source"]
    assert register["licence"]
    assert register["custodian"]
    if not register["synthetic"]:
        assert "facts only" in register["source"] or "MIT" in register["source"]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_field_is_one_the_specification_knows(name: str) -> None:
    fields = SEED[name]["fields"]
    assert fields[0]["id"] == name
    if name not in ("register", "field"):
        with (start_state.SEED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file)) == [field["id"] for field in fields]
    for field in fields:
        assert keys.is_name(field["id"])
        assert field["datatype"] in datatypes.DATATYPES
        assert field.get("format") in {None, *datatypes.FORMATS}
        assert field.get("register") in {None, *SIZES}
        assert field["datatype"] != "curie" or field["register"]
        assert field["title"]["en"]
        assert field["title"]["dv"]
    for words in ("title", "description"):
        assert SEED[name][words]["en"]
        assert SEED[name][words]["dv"]


def test_every_reference_leads_to_a_record(untouched: Caller) -> None:
    known = {(name, row[name]) for name in SIZES for row in rows(name)}
    checked = 0
    for name, register in SEED.items():
        for field in register["fields"]:
            if field["datatype"] != "curie":
                continue
            for row in rows(name):
                for curie in filter(None, row[field["id"]].split(";")):
                    prefix, _, key = curie.partition(":")
                    assert prefix == field["register"]
                    assert (prefix, key) in known, f"{name}: {curie}"
                    checked += 1
    assert checked > 750
    assert untouched.json("/registers/island/records/K-Thulusdhoo")["atoll"] == "atoll:K"


def test_texts_are_in_normal_form_c() -> None:
    for path in start_state.SEED.iterdir():
        text = path.read_text(encoding="utf-8")
        assert unicodedata.is_normalized("NFC", text), path.name


def test_dhivehi_names_are_there() -> None:
    def thaana(text: str) -> bool:
        return any("\u0780" <= letter <= "\u07bf" for letter in text)

    assert all(thaana(row["name-dv"]) for name in ("atoll", "island") for row in rows(name))
    assert sum(thaana(row["name-dv"]) for row in rows("country")) == 190


def test_figures_of_the_census_are_those_that_were_published() -> None:
    people = {row["name"]: row["population-2022"] for row in rows("island")}
    assert people["Rakeedhoo"] == "76"
    assert people["Kolamaafushi"] == "636"
    assert sum(not figure for figure in people.values()) == 8


def test_hirimaradhoo_is_an_island_without_a_council(untouched: Caller) -> None:
    assert "council" not in untouched.json("/registers/island/records/HDh-Hirimaradhoo")
    assert untouched.get("/registers/council/records/HDh-Hirimaradhoo").status_code == 404


def test_only_ministries_that_a_source_confirms_are_shown() -> None:
    names = {row["ministry"] for row in rows("ministry")}
    assert "islamic-affairs" not in names
    assert "health" in names


def test_vessels_are_made_up_and_nobody_owns_them() -> None:
    register = SEED["fishing-vessel"]
    assert register["synthetic"] is True
    assert "synthetic" in register["title"]["en"]
    assert not {field["id"] for field in register["fields"]} & {"owner", "owner-name", "phone"}
    assert all(row["fishing-vessel"].startswith("DEMO-") for row in rows("fishing-vessel"))


def test_synthetic_registers_stay_on_this_machine(sqlite: Database) -> None:
    migrate.upgrade(PACKAGE, sqlite)
    with sqlite.transaction() as session:
        start_state.load(session, settings(public_url="https://atoll.example"))
        names = set(session.scalars(select(Register.name)))
    assert names == set(SIZES) - {"fishing-vessel", "birth"}


def test_a_start_state_is_loaded_once(stored: Caller) -> None:
    with stored.database.snapshot() as session:
        assert not start_state.is_empty(session)
    migrate.load_start_state(PACKAGE, settings(), stored.database)
    assert len(stored.json("/registers")["registers"]) == len(SIZES)


def test_a_reset_puts_the_same_heads_back(stored: Caller) -> None:
    before = stored.json("/registers")
    assert stored.append(vessel(1)).status_code == 201
    assert stored.json("/registers") != before
    headers = {"Atoll-Gateway-Key": "k" * 64}
    assert stored.client.post("/registers/operate/reset", headers=headers).status_code == 404
    headers["Atoll-Caller"] = "urn:atoll:gateway"
    assert stored.client.post("/registers/operate/reset", headers=headers).status_code == 204
    assert stored.json("/registers") == before
    again = stored.append(vessel(1))
    assert again.status_code == 201, "the answer of before the reset is forgotten"


def test_every_engine_has_the_same_heads(stored: Caller, registers: Caller) -> None:
    assert stored.json("/registers") == registers.json("/registers")


def test_every_list_is_the_same_on_every_engine(stored: Caller, registers: Caller) -> None:
    for path in ("island/records?limit=5000", "country/entries?start=9", "council/blobs?limit=70"):
        assert stored.get(f"/registers/{path}").data == registers.get(f"/registers/{path}").data


def test_readiness_needs_the_tables(sqlite: Database, registers: Caller, issuer: Any) -> None:
    assert registers.client.get("/readyz").status_code == 200
    with registers.database.transaction() as session:
        metadata.drop_all(session.connection())
    assert registers.client.get("/readyz").status_code == 503


def test_counts_are_those_of_the_tables(stored: Caller) -> None:
    with stored.database.snapshot() as session:
        for register in heads.all_registers(session):
            for table, column in (("entry", "size"), ("record", "records"), ("blob", "blobs")):
                source = metadata.tables[table]
                count = session.scalar(
                    select(func.count())
                    .select_from(source)
                    .where(source.c.register_id == register["id"])
                )
                assert count == register[column]


def test_registers_fields_and_datatypes_are_registers(untouched: Caller) -> None:
    assert untouched.json("/registers/register/records/island") == {
        "_id": "island",
        "register": "island",
        "text": SEED["island"]["description"]["en"],
        "registry": SEED["island"]["custodian"],
        "phase": "beta",
        "copyright": SEED["island"]["licence"],
        "fields": [field["id"] for field in SEED["island"]["fields"]],
    }
    listed = {one["_id"] for one in untouched.json("/registers/register/records")}
    assert listed == set(SIZES)
    field = untouched.json("/registers/field/records/islands")
    assert (field["datatype"], field["cardinality"], field["register"]) == ("curie", "n", "island")
    known = {one["_id"] for one in untouched.json("/registers/datatype/records")}
    assert known == set(datatypes.DATATYPES)
    used = {one["datatype"] for one in untouched.json("/registers/field/records?limit=5000")}
    assert used <= known


def test_every_register_says_of_itself_what_its_description_says(untouched: Caller) -> None:
    with untouched.database.snapshot() as session:
        for register in heads.all_registers(session):
            said = system.entries(session, register["id"])
            declared = declarations.read((row.key, json.loads(row.content)) for row in said)
            assert declared.id == register["name"]
            assert declared.custodian == register["custodian"]
            assert [field.id for field in declared.fields] == [
                field["id"] for field in register["fields"]
            ]
