"""The licence journey in this process: every component real, every call through the gateway."""

import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.platform.layout import ROOT
from tests.support.in_process import InProcess, platform
from tests.support.platform import wait_for

CONSENT = "identity.consents identity.contact"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with platform(tmp_path_factory.mktemp("in-process")) as started:
        yield started


def journey(running: InProcess, application: str) -> tuple[list[dict[str, Any]], int]:
    """Run examples/vessel_licence.py here; return its steps and how it ended."""
    output, code = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        example = importlib.import_module("vessel_licence")
        patch.setattr("sys.stdout", output)
        patch.delenv("ATOLL_GATEWAY_URL", raising=False)
        try:
            example.journey(example.Platform(running.credentials, "fisheries", True), application)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return [json.loads(line) for line in output.getvalue().splitlines()], code


def exchanges(running: InProcess, trace: str) -> list[dict[str, Any]]:
    token = running.token("portal", "gateway", "exchanges.overview")
    answer = requests.get(
        f"{running.url}/exchanges?trace={trace}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    return list(answer.json()["exchanges"])


def test_the_journey_ends_with_a_licence_and_stands_in_the_exchange_log(
    running: InProcess,
) -> None:
    steps, code = journey(running, "A-first")
    assert code == 0, steps
    assert len(steps) == 11
    trace = steps[0]["trace"]
    logged = wait_for(lambda: (got := exchanges(running, trace)) and len(got) == 10 and got, 5)
    assert {entry["caller"]["client_id"] for entry in logged if entry["caller"]} == {"fisheries"}
    (personal,) = [entry for entry in logged if entry["personal"]]
    assert personal["basis"] == "consent"
    assert personal["purpose"]["code"] == "vessel-licence"
    assert personal["categories"] == ["contact"]
    assert "subject" not in personal or personal["subject"] is None
    assert "Aishath" not in json.dumps(logged)
    assert all(entry["caption"]["en"] and entry["caption"]["dv"] for entry in logged)


def test_the_same_application_enters_one_vessel_and_sends_one_message(running: InProcess) -> None:
    first, _ = journey(running, "A-twice")
    before = vessels(running), messages(running)
    again, code = journey(running, "A-twice")
    assert code == 0
    assert (vessels(running), messages(running)) == before
    assert [step["says"] for step in first][5] == [step["says"] for step in again][5]


def vessels(running: InProcess) -> int:
    answer = requests.get(f"{running.url}/registers/fishing-vessel/proofs/register", timeout=5)
    return int(answer.json()["total-entries"])


def messages(running: InProcess) -> int:
    from sqlalchemy import text

    with running.databases["notify"].snapshot() as session:
        return int(session.execute(text("SELECT count(*) FROM notification")).scalar_one())


def test_without_purpose_person_or_agreement_the_door_stays_closed(running: InProcess) -> None:
    token = running.token("fisheries", "identity", CONSENT)
    bearer = {"Authorization": f"Bearer {token}"}
    agreed = requests.get(f"{running.url}/identity/agreements", headers=bearer, timeout=5).json()
    agreement = agreed["agreements"][0]
    full = bearer | {
        "Atoll-Purpose": "vessel-licence",
        "Atoll-Subject": agreement["subject"],
        "Atoll-Consent": agreement["id"],
    }

    def ask(**changes: str | None) -> tuple[int, str]:
        headers = {k: v for k, v in (full | changes).items() if v is not None}
        answer = requests.get(f"{running.url}/identity/contact-details", headers=headers, timeout=5)
        slug = answer.json().get("type", "").rpartition("/")[2]
        return answer.status_code, slug

    assert ask() == (200, "")
    assert ask(**{"Atoll-Purpose": None}) == (400, "purpose-required")
    assert ask(**{"Atoll-Purpose": "curiosity"}) == (400, "purpose-unknown")
    assert ask(**{"Atoll-Subject": None}) == (400, "subject-required")
    assert ask(**{"Atoll-Consent": None}) == (403, "consent-required")
    assert ask(**{"Atoll-Consent": "made-up"}) == (403, "consent-unknown")
    assert ask(**{"Atoll-Subject": "somebody-else"}) == (403, "consent-mismatch")
    assert ask(Authorization=None)[0] == 401
    assert ask(**{"Atoll-Purpose": "own-data"})[0] == 403


def test_headers_of_the_gateway_cannot_be_brought_from_outside(running: InProcess) -> None:
    spoofed = {"Atoll-Gateway-Key": "k" * 64, "Atoll-Caller": "urn:atoll:gateway"}
    for path in ("/identity/feed", "/identity/operate/reset", "/registers/operate/reset"):
        answer = requests.get(f"{running.url}{path}", headers=spoofed, timeout=5)
        assert answer.status_code in (404, 405), path
        answer = requests.post(f"{running.url}{path}", headers=spoofed, timeout=5)
        assert answer.status_code in (404, 405), path


def test_a_text_reaches_the_owners_phone(running: InProcess, tmp_path: Path) -> None:
    from sqlalchemy import text

    journey(running, "A-phone")

    def delivered() -> bool:
        with running.databases["notify"].snapshot() as session:
            rows = session.execute(text("SELECT status FROM notification")).scalars().all()
        return bool(rows) and set(rows) == {"delivered"}

    wait_for(delivered, 10)
