"""`atoll log verify` against a log that lies: what it says and how it ends."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from atoll import commands, door, log_command
from atoll.exits import DONE, FAILED, Stop
from atoll.home import Home
from servicekit import merkle
from servicekit.note import Checkpoint, Note, Signer

ORIGIN = "localhost:8000/exchanges"
SIGNER = Signer(ORIGIN, b"s" * 32)


class Log:
    """Stands for the gateway: a tree of leaves that a test may swap for another."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves, self.signer, self.page = leaves, SIGNER, 3
        self.fault: dict[str, Any] | None = None

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path.startswith("/exchanges/proofs"):
            old, new = map(int, path.split("/")[-2:])
            found = merkle.consistency_proof(self.leaves[:new], old)
            return 200, {"path": [base64.b64encode(one).decode() for one in found]}
        after = int(path.partition("after=")[2])
        head = Checkpoint(ORIGIN, len(self.leaves), merkle.root(self.leaves))
        left = len(self.leaves) - after
        return 200, {
            "sound": self.fault is None, "first_fault": self.fault, "erased": 0,
            "entries": min(left, self.page), "size": len(self.leaves),
            "next": after + self.page if left > self.page else None,
            "checkpoint": str(Note(head.text).signed_by(self.signer)),
            "key": str(self.signer.verifier), "erasures": [],
        }  # fmt: skip


def leaves(*names: str) -> list[bytes]:
    return [merkle.leaf_hash(name.encode()) for name in names]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    stand_in = Log(leaves(*"abcde"))

    def call(gateway: str, method: str, path: str, **_: Any) -> tuple[int, dict[str, Any]]:
        return stand_in.answer(path)

    monkeypatch.setattr(door, "call", call)
    monkeypatch.setattr(door, "operator_token", lambda *_, **__: "token")
    monkeypatch.setattr(commands, "running_address", lambda place: "http://localhost:8000")
    monkeypatch.setattr(commands, "operator_secret", lambda place: "secret")
    return stand_in


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.prepare()
    return home


def verify(place: Home, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = log_command.verify(place, None, as_json=True)
    return code, json.loads(capsys.readouterr().out)


def test_a_log_that_grew_is_sound(
    log: Log, place: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code, said = verify(place, capsys)
        assert (code, said["entries"], said["fault"]) == (DONE, 5, None)
    log.leaves += leaves(*"fgh")
    code, said = verify(place, capsys)
    assert (code, said["entries"], said["size"]) == (DONE, 8, 8)


def test_every_way_to_lie_is_named(
    log: Log, place: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(place, capsys)
    log.leaves = leaves(*"abXde")
    assert "not those under the head" in verify(place, capsys)[1]["fault"]
    log.leaves = leaves(*"abXdefg")
    code, said = verify(place, capsys)
    assert (code, said["sound"]) == (FAILED, False)
    assert "not those under the head" in said["fault"]
    log.leaves = leaves(*"abc")
    assert "It has 3 leaves; the head remembered has 5" in verify(place, capsys)[1]["fault"]
    log.leaves, log.signer = leaves(*"abcde"), Signer(ORIGIN, b"t" * 32)
    assert "another key" in verify(place, capsys)[1]["fault"]
    log.signer = SIGNER
    log.fault = {"number": 3, "up_to": 3, "fault": "deleted", "exchange": None}
    assert verify(place, capsys)[1]["fault"] == "The first fault is at entry 3: deleted."
    log.fault = None
    assert verify(place, capsys)[0] == DONE, "what it remembered is the last head that was sound"


def test_a_file_that_holds_no_head_is_not_passed_over(log: Log, place: Home) -> None:
    (place.data / log_command.REMEMBERED).write_text("[]", encoding="utf-8")
    with pytest.raises(Stop, match="holds no head"):
        log_command.verify(place, None, as_json=False)
