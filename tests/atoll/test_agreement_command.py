"""``atoll agreement`` against a running platform: listed, made, ended; plans shown and set."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.__main__ import main
from tests.support.in_process import InProcess, platform


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, str]]:
    folder = tmp_path_factory.mktemp("agreements")
    with platform(folder) as started:
        yield started, str(folder)


@pytest.fixture
def home(running: tuple[InProcess, str], monkeypatch: pytest.MonkeyPatch) -> str:
    platform, folder = running
    monkeypatch.setenv("ATOLL_GATEWAY_URL", platform.url)
    return folder


def told(home: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["agreement", *arguments, "--home", home, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_agreements_are_listed_made_and_ended(
    home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded = told(home, capsys, "list", "--client", "fisheries")
    assert {one["service"] for one in seeded} >= {"identity", "registers"}
    assert {one["state"] for one in seeded} == {"in-force"}
    basis = "Statistics Act (made up), section 2"
    made = told(home, capsys, "add", "statistics", "identity", "--basis", basis)
    assert made["legal_basis"]["en"] == basis
    assert made["made_by"] == "operator"
    assert main(["agreement", "add", "statistics", "identity", "--basis", "x", "--home", home]) == 1
    assert "Change that one, or end it first" in capsys.readouterr().err
    ended = told(home, capsys, "end", made["id"], "--reason", "No longer needed.")
    assert ended["state"] == "ended"
    assert main(["agreement", "list", "--service", "identity", "--home", home]) == 0
    shown = capsys.readouterr().out
    assert "ended" in shown
    assert "never" in shown
    assert told(home, capsys, "list", "--unused") == []


def test_plans_are_shown_and_set(home: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"client_id": "portal", "plan": "platform"} in told(home, capsys, "plan")
    told(home, capsys, "plan", "statistics", "standard")
    assert told(home, capsys, "plan", "statistics") == [
        {"client_id": "statistics", "plan": "standard"}
    ]
    assert main(["agreement", "plan", "--home", home]) == 0
    assert "every other client" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "x", "elsewhere", "--basis", "y"], "service is one of"),
        (["add", "x", "notify", "--basis", "y", "--until", "2026-02-30"], "no such day"),
        (["end", "none", "--reason", "y"], "no agreement with this id"),
        (["end", "a/b", "--reason", "y"], "The gateway refused"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    home: str, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["agreement", *arguments, "--home", home]) == 1
    assert words in capsys.readouterr().err
