"""What people ask to be put right, and what the custodian decides."""

import json
from typing import Any

import pytest

from tests.registers.personal.owners import Owners

# -- corrections


def test_a_person_asks_for_a_correction_and_the_custodian_accepts_it(owners: Owners) -> None:
    key = owners.record()["key"]
    sent = {"field": "since", "wanted": "2018-11", "because": "The sale was in November."}
    asked = owners.own("POST", f"personal/records/{key}/corrections", sent=sent)
    assert asked.status_code == 201
    assert asked.headers["Atoll-Categories"] == "vessel-ownership"
    listed = owners.keep("GET", "corrections").json["corrections"]  # type: ignore[index]
    assert listed[0]["subject"] == "sub-aishath"
    assert "2018-11" not in json.dumps(listed), "what is asked is read by the personal route only"
    identifier = listed[0]["id"]
    crossed = owners.keep(
        "POST", f"personal/corrections/{identifier}", about="sub-zeena",
        sent={"accept": True, "answer": "Yes."},
    )  # fmt: skip
    assert crossed.status_code == 404
    done = owners.keep(
        "POST", f"personal/corrections/{identifier}", sent={"accept": True, "answer": "Done."}
    )
    assert done.json["entry-number"] == 3  # type: ignore[index]
    record = owners.record()
    assert record["values"]["since"] == "2018-11"
    assert record["values"]["owner"] == "Aishath Demo"
    assert record["corrections"][0] | {"made": 0, "decided": 0} == {
        "id": identifier, "made": 0, "decided": 0, "state": "accepted", "answer": "Done.", **sent,
    }  # fmt: skip
    assert owners.keep("GET", "corrections").json == {"corrections": []}
    twice = owners.keep(
        "POST", f"personal/corrections/{identifier}", sent={"accept": False, "answer": "No."}
    )
    assert twice.status_code == 409


def test_a_rejected_correction_changes_nothing_but_is_answered(ours: Owners) -> None:
    key = ours.record()["key"]
    sent = {"field": "owner", "wanted": "Aishath D.", "because": "Shorter."}
    ours.own("POST", f"personal/records/{key}/corrections", sent=sent)
    identifier = ours.keep("GET", "corrections").json["corrections"][0]["id"]  # type: ignore[index]
    said = {"accept": False, "answer": "It is the name on the identity card."}
    assert ours.keep("POST", f"personal/corrections/{identifier}", sent=said).status_code == 200
    record = ours.record()
    assert record["values"]["owner"] == "Aishath Demo"
    assert record["corrections"][0]["answer"] == said["answer"]


def test_an_accepted_wish_to_be_erased_erases(ours: Owners) -> None:
    key = ours.record()["key"]
    sent = {"erase": True, "because": "I sold the boat."}
    ours.own("POST", f"personal/records/{key}/corrections", sent=sent)
    identifier = ours.keep("GET", "corrections").json["corrections"][0]["id"]  # type: ignore[index]
    said = {"accept": True, "answer": "Erased."}
    assert ours.keep("POST", f"personal/corrections/{identifier}", sent=said).status_code == 200
    assert ours.own("GET", "personal/records").json == {"records": [], "next": None}


def test_only_the_person_asks_for_corrections(still: Owners) -> None:
    key = still.record()["key"]
    sent = {"field": "since", "wanted": "2018-11", "because": "x"}
    other = still.own("POST", f"personal/records/{key}/corrections", by="sub-zeena", sent=sent)
    client = still.ask("POST", f"personal/records/{key}/corrections", sent=sent)
    assert (other.status_code, client.status_code) == (404, 404)


@pytest.mark.parametrize(
    "sent",
    [
        {"because": "x"},
        {"field": "since", "because": "x"},
        {"field": "since", "wanted": "soon", "because": "x"},
        {"field": "nothing", "wanted": "x", "because": "x"},
        {"field": "since", "wanted": "2018", "erase": True, "because": "x"},
        {"field": "since", "wanted": "2018"},
        {"field": "since", "wanted": "2018", "because": "x" * 2001},
    ],
)
def test_a_correction_that_cannot_be_made_is_not_asked(still: Owners, sent: Any) -> None:
    key = still.record()["key"]
    refused = still.own("POST", f"personal/records/{key}/corrections", sent=sent)
    assert refused.status_code == 422
    assert still.keep("GET", "corrections").json == {"corrections": []}


def test_only_so_many_corrections_wait(ours: Owners) -> None:
    key = ours.record()["key"]
    sent = {"field": "since", "wanted": "2018-11", "because": "x"}
    codes = [
        ours.own("POST", f"personal/records/{key}/corrections", sent=sent).status_code
        for _ in range(11)
    ]
    assert codes == [201] * 10 + [409]


def test_the_list_of_corrections_is_the_custodians(still: Owners) -> None:
    assert still.ask("GET", "corrections").status_code == 403
