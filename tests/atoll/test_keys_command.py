"""``atoll keys`` against a running platform: listed, rotated, withdrawn, refused in words."""

import json
from collections.abc import Iterator

import pytest

from atoll.__main__ import main
from tests.support.in_process import InProcess, platform


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, str]]:
    folder = tmp_path_factory.mktemp("keys")
    with platform(folder) as started:
        yield started, str(folder)


@pytest.fixture
def home(running: tuple[InProcess, str], monkeypatch: pytest.MonkeyPatch) -> str:
    platform, folder = running
    monkeypatch.setenv("ATOLL_GATEWAY_URL", platform.url)
    return folder


def keys(home: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict]:
    assert main(["keys", *arguments, "--home", home, "--json"]) == 0
    return {key["kid"]: key for key in json.loads(capsys.readouterr().out)["keys"]}


def test_keys_are_listed_rotated_and_withdrawn(
    home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = keys(home, capsys, "list")
    assert sorted(key["state"] for key in before.values()) == ["active"] * 2 + ["next"] * 2
    rotated = keys(home, capsys, "rotate", "--algorithm", "ES256")
    (due,) = [key for key in rotated.values() if key["due_at"]]
    assert (due["algorithm"], due["state"]) == ("ES256", "next")  # published a moment ago
    active = next(
        kid
        for kid, key in rotated.items()
        if (key["algorithm"], key["state"]) == ("ES256", "active")
    )
    after = keys(home, capsys, "withdraw", active, "--reason", "lost")
    assert after[active]["state"] == "gone"
    assert after[due["kid"]]["state"] == "active"
    assert main(["keys", "withdraw", active, "--reason", "lost", "--home", home]) == 1
    assert "gone already" in capsys.readouterr().err
    assert main(["keys", "list", "--home", home]) == 0
    assert "lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["withdraw"], 2, "Say which key and why"),
        (["withdraw", "x"], 2, "Say which key and why"),
        (["withdraw", "a/b", "--reason", "why not"], 1, "is not the id of a key"),
        (["withdraw", "none", "--reason", "why not"], 1, "There is no key with this id"),
        (["withdraw", "none", "--reason", "x"], 1, "identity refused"),
    ],
)
def test_a_wrong_order_is_explained(
    home: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert main(["keys", *arguments, "--home", home]) == code
    assert words in capsys.readouterr().err
