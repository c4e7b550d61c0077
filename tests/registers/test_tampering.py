"""The instructor's lever: a row is changed behind the service's back, and verification names it."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.registers.app import create_app
from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller, settings

PATH = "/registers/operate/tamper"


@pytest.fixture
def demonstration(stored: Caller) -> Caller:
    """The service as a demonstration has it, on each engine."""
    given = settings(start_state='{"people": {}}')
    stored.app = create_app(given, database=stored.database, verifier=stored.issuer.verifier())
    return stored


def pull(
    caller: Caller, method: str = "POST", who: str = "urn:atoll:gateway", **sent: Any
) -> TestResponse:
    headers = {"Atoll-Gateway-Key": GATEWAY_KEY, "Atoll-Caller": who}
    given: Any = {"json": sent} if method == "POST" else {}
    return caller.client.open(PATH, method=method, headers=headers, **given)


def difference(caller: Caller, register: str = "island") -> Any:
    operator, after = caller.token("registers.read", "none"), 0
    while True:
        told: Any = caller.get(f"/registers/{register}/verification?after={after}", operator).json
        if told["done"]:
            return told["difference"]
        after = told["verified"]


def test_verification_names_the_entry_that_was_changed(demonstration: Caller) -> None:
    assert difference(demonstration) is None
    done = pull(demonstration, register="island", number=57)
    assert done.status_code == 200, done.text
    told: Any = done.json
    assert told["entry-number"] == 57
    shown = demonstration.json(f"/registers/island/records/{told['key']}")
    assert shown[told["field"]] == told["after"] != told["before"]
    found = difference(demonstration)
    assert found["entry-number"] == 57
    assert "the content was changed" in found["detail"]
    assert difference(demonstration, "atoll") is None


def test_what_was_changed_can_be_put_back(demonstration: Caller) -> None:
    before = demonstration.get("/registers/island/records?limit=5000").data
    for number in (3, 57, 57):
        assert pull(demonstration, register="island", number=number).status_code == 200
    assert demonstration.get("/registers/island/records?limit=5000").data != before
    assert pull(demonstration, "DELETE").json == {"undone": 2}
    assert demonstration.get("/registers/island/records?limit=5000").data == before
    assert difference(demonstration) is None


def test_without_a_number_the_newest_entry_is_changed(demonstration: Caller) -> None:
    told: Any = pull(demonstration, register="fishing-vessel").json
    assert told["entry-number"] == 12
    assert difference(demonstration, "fishing-vessel")["entry-number"] == 12


def test_only_the_gateway_pulls_it(demonstration: Caller) -> None:
    for method in ("POST", "DELETE"):
        assert pull(demonstration, method, who="operator", register="island").status_code == 404


def test_there_is_no_lever_outside_a_demonstration(registers: Caller) -> None:
    assert pull(registers, register="island").status_code == 404
    assert pull(registers, "DELETE").status_code == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"register": "nothing"}, 404),
        ({"register": "island", "number": 190}, 422),
        ({"register": "island", "number": 0}, 422),
        ({"register": 7}, 422),
        ({}, 422),
    ],
)
def test_what_cannot_be_changed_is_refused(
    demonstration: Caller, sent: dict[str, Any], status: int
) -> None:
    assert pull(demonstration, **sent).status_code == status
    assert difference(demonstration) is None
