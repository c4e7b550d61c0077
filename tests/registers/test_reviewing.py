"""Four eyes: what one person proposes, another approves; everything ends as an entry."""

import pytest
from werkzeug.test import TestResponse

from tests.registers.conftest import Caller
from tests.registers.keepers import GOVERNANCE, Keeper, slug


class Office:
    """A register under review, with the people who work on it."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.aisha = Keeper(caller, "aisha", "custodian", "approver")
        self.mariyam = Keeper(caller, "mariyam", "approver")
        self.aisha.create(review=True)
        self.aisha.append({"reef": "a", "name": "Banana Reef"})
        self.aisha.post("/governance", {"governance": GOVERNANCE})
        told = self.aisha.post("/status", {"status": "published"})
        assert told.status_code == 202, told.text
        assert caller.get("/registers/reef/context").status_code == 404
        assert self.approve(told.get_json()["proposal"]["id"]).status_code == 200
        assert caller.json("/registers/reef/context")["id"] == "reef"

    def approve(self, identifier: str, who: Keeper | None = None) -> TestResponse:
        return (who or self.mariyam).post(f"/proposals/{identifier}/approve", {})

    def propose(self, item: dict[str, object], reason: str | None = "Seen there") -> str:
        more = {"reason": reason} if reason else {}
        told = self.aisha.append(item, **more)
        assert told.status_code == 202, told.text
        return str(told.get_json()["proposal"]["id"])


@pytest.fixture
def office(stored: Caller) -> Office:
    return Office(stored)


@pytest.fixture
def desk(registers: Caller) -> Office:
    return Office(registers)


def test_an_entry_waits_for_a_second_person_and_says_why(office: Office) -> None:
    identifier = office.propose({"reef": "a", "name": "Banana Reef (north)"})
    assert office.caller.json("/registers/reef/records/a")["name"] == "Banana Reef"
    shown = office.mariyam.get(f"/proposals/{identifier}").get_json()
    assert shown["mine"] is False
    assert shown["changes"][0]["fields"] == [
        {"field": "name", "before": "Banana Reef", "after": "Banana Reef (north)"}
    ]
    done = office.approve(identifier)
    assert done.get_json()["state"] == "approved"
    assert done.get_json()["result"] == {"first": 2, "last": 2}
    assert office.caller.json("/registers/reef/records/a")["name"] == "Banana Reef (north)"
    said = office.caller.json("/registers/reef/governance")["entries"][-1]
    assert said["key"] == "correction:2"
    assert said["item"] == {
        "entry-number": "2", "key": "a", "reason": "Seen there", "review": "two-persons"
    }  # fmt: skip


def test_who_proposed_never_decides(desk: Office) -> None:
    identifier = desk.propose({"reef": "b"})
    for what in ("approve", "reject"):
        refused = desk.aisha.post(f"/proposals/{identifier}/{what}", {"reason": "x"})
        assert (refused.status_code, slug(refused)) == (403, "own-proposal")
    assert desk.aisha.get(f"/proposals/{identifier}").get_json()["state"] == "open"


def test_who_acts_for_somebody_else_has_two_eyes_still(desk: Office) -> None:
    headers = desk.caller.issuer.headers(
        "registers", "registers.append", subject="citizen", client_id="desk-app",
        roles=["registers:custodian:reef"], actors=("mariyam",),
    )  # fmt: skip
    proxy = Keeper(desk.caller, "citizen", "custodian")
    proxy.headers = headers
    identifier = proxy.append({"reef": "c"}).get_json()["proposal"]["id"]
    assert slug(desk.approve(identifier)) == "own-proposal"


def test_a_program_that_proposed_lends_nobody_its_token(desk: Office) -> None:
    machine = Keeper(desk.caller, "importer", "custodian")
    machine.headers = desk.caller.issuer.headers(
        "registers", "registers.append", subject="importer", client_id="importer",
        roles=["registers:custodian:reef"],
    )  # fmt: skip
    identifier = machine.append({"reef": "c"}).get_json()["proposal"]["id"]
    person = Keeper(desk.caller, "ibrahim", "approver")
    person.headers = desk.caller.issuer.headers(
        "registers", "registers.append", subject="ibrahim", client_id="importer",
        roles=["registers:approver:reef"],
    )  # fmt: skip
    assert slug(desk.approve(identifier, person)) == "own-proposal"
    assert desk.approve(identifier).status_code == 200


def test_only_approvers_decide_and_only_insiders_look(desk: Office) -> None:
    identifier = desk.propose({"reef": "b"})
    other = Keeper(desk.caller, "ali", "custodian")
    refused = other.post(f"/proposals/{identifier}/approve", {})
    assert slug(refused) == "not-approver"
    outsider = Keeper(desk.caller, "zahid", "approver", register="island")
    seen = desk.caller.get(f"/registers/reef/proposals/{identifier}", outsider.headers)
    assert seen.status_code == 403
    assert desk.caller.get("/registers/reef/proposals").status_code == 401


def test_a_rejection_says_why_and_appends_nothing(desk: Office) -> None:
    identifier = desk.propose({"reef": "b"})
    assert desk.mariyam.post(f"/proposals/{identifier}/reject", {}).status_code == 422
    done = desk.mariyam.post(f"/proposals/{identifier}/reject", {"reason": "Not a reef"})
    assert (done.get_json()["state"], done.get_json()["why"]) == ("rejected", "Not a reef")
    assert desk.caller.json("/registers/reef/context")["statistics"]["total-entries"] == 1
    late = desk.approve(identifier)
    assert slug(late) == "proposal-decided"
    listed = desk.aisha.get("/proposals?state=rejected").get_json()["proposals"]
    assert [each["id"] for each in listed] == [identifier]
    assert desk.aisha.get("/proposals?state=lost").status_code == 400


def test_a_repeated_approval_is_one(office: Office) -> None:
    identifier = office.propose({"reef": "b"})
    first, again = office.approve(identifier), office.approve(identifier)
    assert first.data == again.data
    assert office.caller.json("/registers/reef/context")["statistics"]["total-entries"] == 2


def test_what_changed_meanwhile_is_not_overwritten(office: Office) -> None:
    first = office.propose({"reef": "a", "name": "One"})
    second = office.propose({"reef": "a", "name": "Two"})
    assert office.approve(first).status_code == 200
    late = office.approve(second)
    assert slug(late) == "proposal-outdated"
    assert office.caller.json("/registers/reef/records/a")["name"] == "One"


def test_a_proposal_is_checked_when_it_is_made(desk: Office) -> None:
    assert desk.aisha.append({"reef": "b", "depth-m": "deep"}).status_code == 422
    assert desk.aisha.append({"reef": "b", "island": "island:Nowhere"}).status_code == 422
    same = desk.aisha.append({"reef": "a", "name": "Banana Reef"})
    assert slug(same) == "unchanged-record"


def test_a_repeated_proposal_is_one(desk: Office) -> None:
    told = [desk.aisha.post("/entries", {"item": {"reef": "b"}}, key="same") for _ in range(2)]
    assert told[0].data == told[1].data
    assert len(desk.aisha.get("/proposals?state=open").get_json()["proposals"]) == 1
    other = desk.aisha.post("/entries", {"item": {"reef": "c"}}, key="same")
    assert slug(other) == "idempotency-key-reused"


def test_its_maker_takes_a_proposal_back_and_nobody_else(desk: Office) -> None:
    identifier = desk.propose({"reef": "b"})
    other = Keeper(desk.caller, "ali", "custodian")
    assert slug(other.post(f"/proposals/{identifier}/withdraw", {})) == "own-proposal"
    done = desk.aisha.post(f"/proposals/{identifier}/withdraw", {"reason": "Too soon"})
    assert done.get_json()["state"] == "withdrawn"
    assert desk.aisha.get("/proposals/none").status_code == 404


def test_fields_governance_and_the_end_of_review_wait_too(desk: Office) -> None:
    for path, body in (
        ("/fields", {"fields": [{"id": "visited", "datatype": "datetime"}]}),
        ("/governance", {"governance": {"owner": "Another"}}),
        ("/governance", {"review": False}),
    ):
        told = desk.aisha.post(path, {**body, "reason": "Wanted"})
        assert told.status_code == 202, told.text
        proposal = told.get_json()["proposal"]
        assert proposal["change"] == body
        assert desk.approve(proposal["id"]).status_code == 200
    kept = desk.aisha.get("/administration").get_json()
    assert (kept["review"], kept["governance"]["owner"]) == (False, "Another")
    assert kept["fields"][-1]["id"] == "visited"
    assert desk.aisha.append({"reef": "b"}).status_code == 201


def test_a_change_that_breaks_readers_is_not_even_proposed(desk: Office) -> None:
    body = {"fields": [{"id": "depth-m", "datatype": "string"}], "reason": "Wanted"}
    assert slug(desk.aisha.post("/fields", body)) == "readers-would-break"
    assert desk.aisha.get("/proposals?state=open").get_json()["proposals"] == []


def test_files_do_not_walk_around_the_review(desk: Office) -> None:
    for path, kind in (("load-csv", "text/csv"), ("load-rsf", "application/uk-gov-rsf")):
        refused = desk.caller.load(
            b"reef\nc\n", f"/registers/reef/{path}", kind, role="registers:custodian:reef"
        )
        assert slug(refused) == "review-needed", path


def test_a_batch_is_one_proposal(desk: Office) -> None:
    body = {"items": [{"reef": "b"}, {"reef": "c"}], "reason": "Survey"}
    told = desk.aisha.post("/entries", body)
    identifier = told.get_json()["proposal"]["id"]
    done = desk.approve(identifier)
    assert done.get_json()["result"] == {"first": 2, "last": 3}
