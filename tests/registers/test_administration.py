"""Registers made by people: drafts that only their keepers see, publication, fields that stay."""

import json

import pytest
from werkzeug.test import TestResponse

from servicekit import merkle
from servicekit.note import Signer, open_checkpoint
from services.registers.domain import leaves, moments
from services.registers.domain.canonical import item_hash, item_json, write_hash
from services.registers.signing import Signing
from tests.registers.conftest import LOG_KEY, Caller
from tests.registers.keepers import DRAFT, GOVERNANCE, Keeper, slug


@pytest.fixture
def custodian(stored: Caller) -> Keeper:
    return Keeper(stored, "aisha", "custodian")


@pytest.fixture
def published(registers: Caller) -> Keeper:
    keeper = Keeper(registers, "aisha", "custodian")
    keeper.publish()
    return keeper


def test_a_custodian_creates_declares_fills_and_publishes(custodian: Keeper) -> None:
    caller = custodian.caller
    created = custodian.create()
    assert created.status_code == 201
    assert created.headers["Location"].endswith("/registers/reef/administration")
    assert created.get_json()["state"] == "draft"
    assert {each["pointer"] for each in created.get_json()["missing"]} >= {"/owner", "/licence"}
    for path in ("context", "records", "entries", "records/a", "entries/1", "v1/register",
                 "download-rsf", "governance", "proofs/register"):  # fmt: skip
        assert caller.get(f"/registers/reef/{path}").status_code == 404, path
    assert "reef" not in {each["id"] for each in caller.json("/registers")["registers"]}
    assert custodian.append({"reef": "a", "name": "Banana Reef"}).status_code == 201
    assert caller.get("/registers/reef/records/a").status_code == 404
    assert caller.get("/registers/reef/entries/1").status_code == 404
    seen = custodian.get("/records/a")
    assert seen.get_json() == {"_id": "a", "reef": "a", "name": "Banana Reef"}
    assert seen.headers["Cache-Control"] == "private, no-store"
    assert custodian.get("/entries/1").get_json()["key"] == "a"
    early = custodian.post("/status", {"status": "published"})
    assert (early.status_code, slug(early)) == (409, "not-publishable")
    assert custodian.post("/governance", {"governance": GOVERNANCE}).status_code == 200
    done = custodian.post("/status", {"status": "published"})
    assert (done.status_code, done.get_json()["state"]) == (200, "published")
    assert caller.json("/registers/reef/records/a")["name"] == "Banana Reef"
    assert caller.json("/registers/reef/context")["statistics"]["total-entries"] == 1
    assert caller.json("/registers/register/records/reef")["fields"] == [
        "reef", "name", "island", "depth-m"
    ]  # fmt: skip
    assert caller.json("/registers/field/records/depth-m")["datatype"] == "integer"


def test_a_draft_is_seen_by_nobody_elses_custodian_nor_with_a_bad_token(registers: Caller) -> None:
    created = Keeper(registers, "aisha", "custodian").create()
    assert created.status_code == 201, created.text
    other = Keeper(registers, "ali", "custodian", register="island")
    assert registers.get("/registers/reef/context", other.headers).status_code == 404
    assert registers.get("/registers/reef/administration", other.headers).status_code == 404
    bad = {"Authorization": "Bearer nonsense"}
    assert registers.get("/registers/reef/context", bad).status_code == 404
    approver = Keeper(registers, "mariyam", "approver")
    assert approver.get("/context").status_code == 200
    assert other.post("/entries", {"item": {"reef": "x"}}, register="reef").status_code != 201


def test_the_list_of_own_registers_has_drafts_and_nobody_elses(registers: Caller) -> None:
    keeper = Keeper(registers, "aisha", "custodian")
    keeper.create()
    answer = registers.get("/registers/administration", keeper.headers).get_json()
    assert [each["register"] for each in answer["registers"]] == ["reef"]
    assert answer["registers"][0]["keeps"] is True


@pytest.mark.parametrize(
    "name", ["search", "catalogue", "vessel-owner", "Reef", "9reef", "administration"]
)
def test_names_that_cannot_be_are_refused(registers: Caller, name: str) -> None:
    keeper = Keeper(registers, "aisha", "custodian", register=name)
    response = keeper.create(id=name, fields=[{"id": name}, {"id": "name"}])
    assert response.status_code == 422


def test_only_the_one_whose_role_names_it_creates_a_register(registers: Caller) -> None:
    other = Keeper(registers, "ali", "custodian", register="island")
    refused = other.create()
    assert (refused.status_code, slug(refused)) == (403, "not-custodian")


def test_a_taken_name_is_a_conflict_and_a_repeat_is_not(registers: Caller) -> None:
    keeper = Keeper(registers, "aisha", "custodian")
    first = keeper.post("", DRAFT, key="same", register="")
    again = keeper.post("", DRAFT, key="same", register="")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    other = keeper.post("", DRAFT, key="other", register="")
    assert other.status_code == 409
    reused = keeper.post("", {**DRAFT, "review": True}, key="same", register="")
    assert slug(reused) == "idempotency-key-reused"


def test_a_field_that_the_platform_knows_keeps_its_datatype(registers: Caller) -> None:
    keeper = Keeper(registers, "aisha", "custodian")
    fields = [{"id": "reef"}, {"id": "name", "datatype": "integer"}]
    refused = keeper.create(fields=fields)
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"] == "/fields/1/datatype"


def changed(keeper: Keeper, **field: object) -> TestResponse:
    return keeper.post("/fields", {"fields": [field], "reason": "Wanted"})


class TestFieldsOfAPublishedRegister:
    def test_new_ones_are_added_and_old_entries_still_fit(self, published: Keeper) -> None:
        published.append({"reef": "a", "name": "Old"})
        response = changed(published, id="visited", datatype="datetime", title={"en": "Visited"})
        assert response.status_code == 200
        published.append({"reef": "b", "visited": "2026-01"})
        assert published.caller.json("/registers/reef/records/a")["name"] == "Old"
        schema = published.caller.json("/registers/reef/context")["schema"]
        assert [field["id"] for field in schema][-1] == "visited"
        said = published.caller.json("/registers/reef/governance")["entries"]
        assert said[-1]["item"]["reason"] == "Wanted"
        assert "field:visited" in {entry["key"] for entry in said}

    @pytest.mark.parametrize(
        ("field", "pointer"),
        [
            ({"id": "depth-m", "datatype": "string"}, "/fields/0/datatype"),
            ({"id": "depth-m", "datatype": "integer", "cardinality": "n"}, "/fields/0/cardinality"),
            ({"id": "island", "datatype": "curie", "register": "atoll"}, "/fields/0/register"),
            ({"id": "name", "format": "decimal"}, "/fields/0/format"),
            (
                {"id": "depth-m", "datatype": "integer", "description": {"en": "Width."}},
                "/fields/0/description/en",
            ),
        ],
    )
    def test_what_readers_rely_on_never_changes(
        self, published: Keeper, field: dict[str, object], pointer: str
    ) -> None:
        before = published.get("/administration").get_json()
        refused = published.post("/fields", {"fields": [field], "reason": "Wanted"})
        assert (refused.status_code, slug(refused)) == (409, "readers-would-break")
        errors = refused.get_json()["errors"]
        assert pointer in {error["pointer"] for error in errors}
        assert all(error["detail"].endswith(".") for error in errors)
        assert published.get("/administration").get_json() == before

    def test_none_is_taken_away(self, published: Keeper) -> None:
        refused = published.post("/fields", {"remove": ["name"], "reason": "Wanted"})
        assert slug(refused) == "readers-would-break"

    def test_titles_and_missing_languages_are_added(self, published: Keeper) -> None:
        response = published.post(
            "/fields",
            {
                "fields": [
                    {
                        "id": "depth-m",
                        "datatype": "integer",
                        "title": {"en": "Depth"},
                        "description": {"dv": "ފުންމިން"},
                    }
                ],
                "reason": "Translated",
            },
        )
        assert response.status_code == 200, response.text
        field = response.get_json()["fields"][3]
        assert field["description"] == {"en": "Depth in metres.", "dv": "ފުންމިން"}

    def test_a_change_says_why(self, published: Keeper) -> None:
        refused = published.post("/fields", {"fields": [{"id": "extra"}]})
        assert refused.status_code == 422
        assert refused.get_json()["errors"][0]["pointer"] == "/reason"


def test_fields_of_an_empty_draft_change_freely(registers: Caller) -> None:
    keeper = Keeper(registers, "aisha", "custodian")
    keeper.create()
    response = keeper.post(
        "/fields", {"fields": [{"id": "depth-m", "datatype": "string"}], "remove": ["island"]}
    )
    assert response.status_code == 200, response.text
    assert [(f["id"], f["datatype"]) for f in response.get_json()["fields"]] == [
        ("reef", "string"), ("name", "string"), ("depth-m", "string")
    ]  # fmt: skip


def test_an_archived_register_is_read_and_takes_nothing(published: Keeper) -> None:
    published.append({"reef": "a"})
    done = published.post("/status", {"status": "archived", "reason": "Replaced by another"})
    assert done.get_json()["state"] == "archived"
    assert published.caller.json("/registers/reef/records/a") == {"_id": "a", "reef": "a"}
    refused = published.append({"reef": "b"})
    assert (refused.status_code, slug(refused)) == (409, "register-archived")
    status = published.caller.json("/registers/reef/context")["status"]
    assert status["reason"] == "Replaced by another"
    assert "end-date" in status
    custodian = published.caller.load(
        b"reef\nc\n", "/registers/reef/load-csv", "text/csv", role="registers:custodian:reef"
    )
    assert slug(custodian) == "register-archived"
    assert published.post("/status", {"status": "published", "reason": "x"}).status_code == 200
    assert published.append({"reef": "b"}).status_code == 201


def test_a_published_register_never_becomes_a_draft(published: Keeper) -> None:
    refused = published.post("/status", {"status": "draft", "reason": "x"})
    assert refused.status_code == 422
    again = published.post("/status", {"status": "published", "reason": "x"})
    assert again.status_code == 409


def test_a_file_fills_a_draft_that_stays_a_draft(custodian: Keeper) -> None:
    custodian.create()
    loaded = custodian.caller.load(
        b"reef,name\na,Banana\nb,Coral\n",
        "/registers/reef/load-csv", "text/csv", role="registers:custodian:reef",
    )  # fmt: skip
    assert loaded.status_code == 200, loaded.text
    assert custodian.caller.get("/registers/reef/records").status_code == 404
    assert len(custodian.get("/records").get_json()) == 2


def test_only_open_registers_are_published(registers: Caller) -> None:
    keeper = Keeper(registers, "aisha", "custodian")
    keeper.create()
    keeper.post("/governance", {"governance": {**GOVERNANCE, "classification": "confidential"}})
    refused = keeper.post("/status", {"status": "published"})
    assert refused.get_json()["errors"][0]["pointer"] == "/classification"


def test_a_published_register_stays_open(published: Keeper) -> None:
    body = {"governance": {"classification": "restricted"}, "reason": "x"}
    refused = published.post("/governance", body)
    assert slug(refused) == "not-publishable"


def test_whoever_saw_the_register_otherwise_changes_nothing(published: Keeper) -> None:
    tag = published.get("/administration").headers["ETag"]
    change = {"governance": {"owner": "Another"}, "reason": "Moved"}
    assert published.post("/governance", change, If_Match=tag).status_code == 200
    late = published.post("/governance", {**change, "reason": "Late"}, If_Match=tag)
    assert (late.status_code, slug(late)) == (412, "changed-meanwhile")
    assert published.post("/governance", change, If_Match="what").status_code == 400


def test_a_repeated_change_is_made_once(published: Keeper) -> None:
    change = {"governance": {"owner": "Another"}, "reason": "Moved"}
    first = published.post("/governance", change, key="same")
    again = published.post("/governance", change, key="same")
    assert (first.status_code, first.data) == (again.status_code, again.data)
    said = published.caller.json("/registers/reef/governance")["entries"]
    assert sum(entry["item"].get("reason") == "Moved" for entry in said) == 1


def test_the_history_of_governance_can_be_checked(published: Keeper) -> None:
    published.post("/governance", {"governance": {"owner": "Another"}, "reason": "Moved"})
    told = published.caller.json("/registers/reef/governance")
    owners = [e["item"]["owner"] for e in told["entries"] if e["key"] == "governance"]
    assert owners == [GOVERNANCE["owner"], "Another"]
    assert told["governance"]["owner"] == "Another"
    hashes = []
    for entry in told["entries"]:
        digest = item_hash(item_json(entry["item"]))
        assert write_hash(digest) == entry["item-hash"]
        at = moments.read(entry["entry-timestamp"])
        assert at is not None
        hashes.append(merkle.leaf_hash(leaves.v1(entry["entry-number"], entry["key"], at, digest)))
    assert write_hash(merkle.root(hashes)) == told["root-hash"]
    name = "localhost:8000/registers/reef/system"
    verifier = Signer(name, Signing.of(LOG_KEY, "http://localhost:8000").seed).verifier
    checkpoint = open_checkpoint(told["note"], name, [verifier])
    assert (checkpoint.size, checkpoint.root) == (len(hashes), merkle.root(hashes))


def test_bad_bodies_are_told_what_is_wrong(published: Keeper) -> None:
    for path in ("/fields", "/governance", "/status"):
        assert published.post(path, {}).status_code == 422
        assert published.post(path, {"reason": "only"}).status_code == 422
        assert published.post(path, [1]).status_code == 422
        unknown = {"reason": "x", "status": "published", "z": 1}
        assert published.post(path, unknown).status_code == 422
    often = {"governance": {"update-frequency": "often"}, "reason": "x"}
    wrong = published.post("/governance", often)
    assert wrong.get_json()["errors"][0]["pointer"] == "/governance/update-frequency"
    missing = published.caller.client.post(
        "/registers/reef/status",
        data=json.dumps({"status": "archived"}),
        headers={**published.headers, "Atoll-Gateway-Key": "x"},
    )
    assert missing.status_code == 403
