"""A personal register through the one door: purpose, lawful basis, the only record of access."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import select

from services.identity.storage.tables import Agreement
from tests.support.in_process import InProcess, platform
from tests.support.platform import wait_for

BASE = "/registers/vessel-owner"
RECORDS = f"{BASE}/personal/records"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with platform(tmp_path_factory.mktemp("in-process")) as started:
        yield started


class Department:
    """The made-up Fisheries Department, with the agreement that Aishath gave it."""

    client, purpose = "fisheries", "vessel-licence"
    scope = "registers.personal registers.append"

    def __init__(self, running: InProcess) -> None:
        self.running = running
        with running.databases["identity"].snapshot() as session:
            self.agreement = session.scalars(
                select(Agreement).where(Agreement.client_id == self.client)
            ).one()
        self.subject = self.agreement.subject

    def ask(self, method: str, path: str, sent: Any = None, **headers: str | None) -> Any:
        """Call with the agreement; a header that is None is left out."""
        token = self.running.token(self.client, "registers", self.scope)
        given = {
            "Authorization": f"Bearer {token}",
            "Atoll-Purpose": self.purpose,
            "Atoll-Subject": self.subject,
            "Atoll-Consent": self.agreement.id,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method, self.running.url + path, headers=given, json=sent, timeout=5
        )

    def logged(self, answer: Any) -> dict[str, Any]:
        """Return the entry of the exchange log that an answer names."""
        token = self.running.token("portal", "gateway", "exchanges.overview")

        def find() -> Any:
            listed = requests.get(
                f"{self.running.url}/exchanges?limit=50",
                headers={"Authorization": f"Bearer {token}"},
                timeout=5,
            ).json()["exchanges"]
            wanted = answer.headers["Atoll-Exchange"]
            return next((one for one in listed if one["exchange"] == wanted), None)

        found: dict[str, Any] = wait_for(find, 5)
        return found


class FerryOperator(Department):
    """An outside business, which rents out berths: it may ask, and see nothing."""

    client, purpose = "ferry-operator", "vessel-berth"
    scope = "registers.personal"


@pytest.fixture(scope="module")
def department(running: InProcess) -> Department:
    made = Department(running)
    # the door knows a consent a moment after it was given
    wait_for(lambda: made.ask("GET", RECORDS).status_code == 200, 10)
    return made


def test_a_read_with_consent_is_answered_and_stands_in_the_log(department: Department) -> None:
    answer = department.ask("GET", RECORDS)
    assert [one["values"]["owner"] for one in answer.json()["records"]] == ["Aishath Demo"]
    assert "Atoll-Subject" not in answer.headers, "what services tell the door stays there"
    entry = department.logged(answer)
    assert entry["personal"] == "read"
    assert entry["purpose"]["code"] == "vessel-licence"
    assert entry["basis"] == "consent"
    assert entry["categories"] == ["vessel-ownership"]
    assert department.subject not in str(entry)


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Atoll_Purpose": None}, 400, "purpose-required"),
        ({"Atoll_Purpose": "curiosity"}, 400, "purpose-unknown"),
        ({"Atoll_Consent": None}, 403, "consent-required"),
        ({"Atoll_Consent": "someone-elses"}, 403, "consent-unknown"),
        ({"Atoll_Subject": None}, 400, "subject-required"),
        ({"Atoll_Subject": "somebody"}, 403, "consent-mismatch"),
        ({"Atoll_Purpose": "birth-registration"}, 403, "consent-mismatch"),
        ({"Atoll_Purpose": "own-data", "Atoll_Consent": None}, 403, "consent-required"),
    ],
)
def test_without_purpose_and_basis_nothing_is_read(
    department: Department, headers: dict[str, str | None], status: int, reason: str
) -> None:
    answer = department.ask("GET", RECORDS, **headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"].endswith(f"/{reason}")
    assert "Aishath" not in answer.text
    assert "DEMO-0001" not in answer.text


def test_a_business_is_told_yes_or_no_and_sees_nothing(department: Department) -> None:
    ferry = FerryOperator(department.running)
    for vessel, answer in (("DEMO-0001", True), ("DEMO-0002", False)):
        sent = {"field": "vessel", "equals": f"fishing-vessel:{vessel}"}
        told = ferry.ask("POST", f"{BASE}/personal/questions", sent)
        assert told.json()["answer"] is answer, told.text
    assert department.logged(told)["categories"] == ["vessel-ownership-answers"]
    refused = ferry.ask("GET", RECORDS)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/consent-mismatch")


def test_a_question_needs_an_agreement_of_its_own(department: Department) -> None:
    """She agreed that it reads the record; yes-or-no answers are another category."""
    sent = {"field": "vessel", "equals": "fishing-vessel:DEMO-0001"}
    answer = department.ask("POST", f"{BASE}/personal/questions", sent)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/consent-mismatch")
    assert "vessel-ownership-answers" in answer.json()["detail"]


def test_a_law_lets_an_officer_read_and_nobody_else(department: Department) -> None:
    """The department's program holds no such role; the law of the purpose is named."""
    answer = department.ask("GET", RECORDS, Atoll_Purpose="vessel-inspection", Atoll_Consent=None)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("basis-refused")
    assert "Fisheries Inspection Act" in answer.json()["detail"]


def test_the_custodian_enters_and_erases_and_the_log_goes_on(department: Department) -> None:
    item = {"vessel": "fishing-vessel:DEMO-0002", "owner": "Aishath Demo"}
    made = department.ask("POST", RECORDS, {"item": item}, Idempotency_Key="personal-1")
    assert made.status_code == 201, made.text
    assert "Aishath" not in made.text
    assert department.logged(made)["personal"] == "write"
    key = made.json()["entry"]["key"]
    assert len(department.ask("GET", RECORDS).json()["records"]) == 2
    public = f"{department.running.url}{BASE}/records/{key}"
    assert set(requests.get(public, timeout=5).json()) == {"_id", "vessel-owner", "vessel", "owner"}
    gone = department.ask("DELETE", f"{RECORDS}/{key}", Idempotency_Key="personal-2")
    assert gone.status_code == 200, gone.text
    assert department.ask("GET", f"{RECORDS}/{key}").status_code == 404
    assert set(requests.get(public, timeout=5).json()) == {"_id", "vessel-owner", "erased"}


def test_what_is_personal_is_behind_the_door_only(department: Department) -> None:
    for path in (f"{BASE}/v1/records", f"{BASE}/download-rsf", "/registers/operate/tamper"):
        assert requests.get(department.running.url + path, timeout=5).status_code in (404, 405)
    assert requests.get(department.running.url + RECORDS, timeout=5).status_code == 401
