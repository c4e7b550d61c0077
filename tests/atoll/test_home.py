import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll import home as homes
from atoll.exits import IN_THE_WAY, Stop
from atoll.home import CHECKOUT, Home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes, where this machine lets us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root (and CAP_SYS_ADMIN)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def up(home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "atoll", "up", "--home", str(home), "--port", "1", *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_one_sentence(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert done.returncode == IN_THE_WAY, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_full_disk_is_reported_in_one_sentence(small_disk: Path) -> None:
    assert_one_sentence(up(small_disk / "home"), "full", "--home")
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(b"x" * 4_000_000)
    assert_one_sentence(up(small_disk / "home"), "full disk", "--home")


def test_read_only_home_is_reported_in_one_sentence(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_one_sentence(up(small_disk / "home"), "read-only", "--home")
    assert_one_sentence(up(small_disk / "home", "--detach"), "read-only", "--home")


def test_home_that_is_a_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert_one_sentence(up(tmp_path / "home"), "is not a folder")


def test_second_holder_of_a_home_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    place = Home(tmp_path)
    place.prepare()
    assert place.holder() is None
    with place.locked():
        assert place.holder() == os.getpid()
        with pytest.raises(Stop, match=f"already running here .process {os.getpid()}"):
            place.locked().__enter__()
    assert place.holder() is None


def test_lock_of_a_killed_run_is_free_again(tmp_path: Path) -> None:
    place = Home(tmp_path)
    place.prepare()
    program = (
        "import os, signal, sys; from pathlib import Path; from atoll.home import Home\n"
        "place = Home(Path(sys.argv[1]))\n"
        "with place.locked(): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=CHECKOUT, check=False)
    with place.locked():
        pass


def test_written_file_is_whole_or_absent(tmp_path: Path) -> None:
    homes.write(tmp_path / "file", b"first")
    homes.write(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_long_log_is_set_aside_and_writers_go_on(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 100)
        homes.shorten_log(log, limit_bytes=500)
        writer.write(b"new line\n")
    assert log.read_bytes() == b"new line\n"
    assert (tmp_path / "one.log.1").read_bytes().startswith(b"old line")
    homes.shorten_log(log, limit_bytes=500)
    assert log.read_bytes() == b"new line\n"


def test_home_comes_from_the_option_then_the_variable_then_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path / "variable"))
    assert homes.choose(str(tmp_path / "option")).folder == tmp_path / "option"
    assert homes.choose(None).folder == tmp_path / "variable"
    monkeypatch.delenv("ATOLL_HOME")
    assert homes.choose(None).folder == CHECKOUT / "var"
