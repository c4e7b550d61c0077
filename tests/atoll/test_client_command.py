"""``atoll client`` against a running platform: what it adds works at once, through the door."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from atoll.__main__ import main
from tests.support.in_process import InProcess, platform
from tests.support.platform import wait_for

MACHINE = {"client_name": "Tide tables", "grant_types": ["client_credentials"]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, str]]:
    folder = tmp_path_factory.mktemp("clients")
    with platform(folder) as started:
        yield started, str(folder)


@pytest.fixture
def started(running: tuple[InProcess, str], monkeypatch: pytest.MonkeyPatch) -> InProcess:
    monkeypatch.setenv("ATOLL_GATEWAY_URL", running[0].url)
    monkeypatch.setenv("ATOLL_HOME", running[1])
    return running[0]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["client", *arguments]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def add(capsys: pytest.CaptureFixture[str], folder: Path, **metadata: Any) -> dict[str, Any]:
    file = folder / "program.json"
    file.write_text(json.dumps(MACHINE | metadata), encoding="utf-8")
    return run(capsys, "add", str(file))


def token(started: InProcess, made: dict[str, Any]) -> requests.Response:
    return requests.post(
        f"{started.url}/identity/token",
        auth=(made["client_id"], made["client_secret"]),
        data={"grant_type": "client_credentials", "resource": "urn:atoll:registers"},
        timeout=5,
    )


def test_an_added_program_calls_a_service_at_once_and_under_its_name(
    started: InProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = add(capsys, tmp_path)
    given = token(started, made)
    assert given.status_code == 200, given.text
    headers = {"Authorization": f"Bearer {given.json()['access_token']}"}
    address = f"{started.url}/registers/island/records"
    operator = started.token("operator", "gateway", "exchanges.overview")

    def is_named() -> bool:
        answer = requests.get(address, headers=headers, timeout=5)
        assert answer.status_code == 200, answer.text
        page = requests.get(
            f"{started.url}/exchanges",
            headers={"Authorization": f"Bearer {operator}"},
            params={"client": made["client_id"]},
            timeout=5,
        )
        return "Tide tables" in page.text

    wait_for(is_named, 10)
    listed = {one["client_id"]: one for one in run(capsys, "list", "--json")}
    assert listed[made["client_id"]]["status"] == "sandbox"
    assert main(["client", "remove", made["client_id"], "--reason", "over"]) == 0
    assert token(started, made).status_code == 401
    wait_for(lambda: requests.get(address, headers=headers, timeout=5).status_code == 401, 10)


def test_a_live_program_waits_until_somebody_else_approves(
    started: InProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = add(capsys, tmp_path, environment="live", owner="hassan", why="We predict tides")
    name = made["client_id"]
    assert token(started, made).status_code == 401
    assert main(["client", "list", "--waiting"]) == 0
    assert "We predict tides" in capsys.readouterr().out
    # hassan has the role, but it is his own
    assert main(["client", "approve", name, "--by", "hassan", "--reason", "mine"]) == 1
    assert "nobody approves their own program" in capsys.readouterr().err
    assert main(["client", "approve", name, "--by", "zeena", "--reason", "fine"]) == 1
    assert "identity:administrator" in capsys.readouterr().err
    refused = run(capsys, "show", name)
    assert (refused["status"], refused["waiting"]["why"]) == ("pending", "We predict tides")
    run(capsys, "remove", name, "--json")

    other = add(capsys, tmp_path, environment="live", owner="zeena")
    approved = run(
        capsys, "approve", other["client_id"], "--by", "hassan", "--reason", "I called them"
    )
    assert approved["status"] == "live"
    assert approved["decision"]["reason"] == "I called them"
    assert token(started, other).status_code == 200


def test_a_rotated_secret_and_the_former_one_both_work(
    started: InProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = add(capsys, tmp_path)
    rotated = run(capsys, "rotate-secret", made["client_id"], "--overlap", "600")
    assert rotated["client_secret"] != made["client_secret"]
    assert rotated["former_secret_until"]
    assert [token(started, each).status_code for each in (made, rotated)] == [200, 200]
    last = run(capsys, "rotate-secret", made["client_id"], "--overlap", "0")
    assert [token(started, each).status_code for each in (made, rotated, last)] == [401, 401, 200]


def test_metadata_come_from_standard_input(
    started: InProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(MACHINE)))
    assert run(capsys, "add", "-")["client_name"] == "Tide tables"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "cannot be read"),
        ("{", 2, "is not JSON"),
        ("[]", 1, "invalid_client_metadata"),
        ('{"redirect_uris": ["http://evil.example"]}', 1, "invalid_redirect_uri"),
    ],
)
def test_what_cannot_be_added_is_said_in_a_sentence(
    started: InProcess,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str | None,
    code: int,
    words: str,
) -> None:
    file = tmp_path / "program.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert main(["client", "add", str(file)]) == code
    assert words in capsys.readouterr().err
