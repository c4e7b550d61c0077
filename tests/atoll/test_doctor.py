import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll import doctor, processes, setup
from atoll.exits import DONE, FAILED
from atoll.home import Home
from tests.support.platform import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def test_healthy_machine_has_nothing_wrong(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.check(home, free_port()) == DONE
    assert "Nothing is wrong." in capsys.readouterr().out


def test_taken_port_is_named_with_its_holder(
    home: Home, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.check(home, taken_port) == FAILED
    told = capsys.readouterr().out
    assert f"Port {taken_port} is taken" in told
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in told
    assert f"--port {taken_port + 1}" in told


def test_old_python_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "OLDEST", (3, 98))
    monkeypatch.setattr(doctor, "NEWEST", (3, 99))
    assert doctor.check(home, free_port()) == FAILED
    assert "Name another: make up PYTHON=" in capsys.readouterr().out


def test_missing_package_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "MODULES", ("flask", "no_such_package"))
    assert doctor.check(home, free_port()) == FAILED
    assert "missing: no_such_package." in capsys.readouterr().out


def test_full_disk_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 62)
    assert doctor.check(home, free_port()) == FAILED
    assert "Free some space." in capsys.readouterr().out


def test_process_of_a_killed_run_is_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.prepare()
    left = {"name": "notify", "pid": os.getpid(), "born": processes.birth(os.getpid())}
    home.state_file.write_text(json.dumps({"services": [left]}))
    assert doctor.check(home, free_port()) == FAILED
    assert f"left processes: notify ({os.getpid()})" in capsys.readouterr().out


def test_secret_that_others_can_read_is_named(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.prepare()
    setup.run(home)
    loose = home.secrets / "identity" / "signing-key"
    loose.chmod(0o644)
    assert doctor.check(home, free_port()) == FAILED
    assert f"chmod 600 {loose}" in capsys.readouterr().out


def test_free_ports_pass_over_taken_ones(taken_port: int) -> None:
    ports = processes.free_ports(taken_port, 3)
    assert len(set(ports)) == 3
    assert taken_port not in ports
    assert min(ports) > taken_port
