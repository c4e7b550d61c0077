"""What a crash is reported with: the process's own complaint in plain words."""

import json
from pathlib import Path

from atoll.supervisor import _tail


def test_a_crash_is_told_by_the_last_complaint_and_not_by_calls_or_the_server(
    tmp_path: Path,
) -> None:
    log = tmp_path / "identity.log"
    lines = [
        {"level": "info", "message": "answered"},
        {
            "level": "error",
            "message": "cannot go on",
            "exception": "Traceback…\n  File x\nOSError: no space left",
        },
        {"level": "info", "message": "answered"},
        {"level": "error", "message": "Unexpected exit from worker-1"},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert _tail(log, 0, lines=1, own=True) == "cannot go on: OSError: no space left"
    with log.open("a") as file:
        file.write("MemoryError\n")
    assert _tail(log, 0, lines=1, own=True) == "MemoryError"


def test_a_process_that_said_nothing_is_given_no_words(tmp_path: Path) -> None:
    log = tmp_path / "identity.log"
    log.write_text('{"level": "info", "message": "answered"}\n[]\n')
    assert _tail(log, 0, lines=1, own=True) == ""
    assert _tail(tmp_path / "none.log", 0, lines=1, own=True) == ""
