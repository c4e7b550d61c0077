"""The README's commands, executed as written in a fresh copy of the checkout."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.layout import ROOT
from tests.support.platform import free_port

ELSEWHERE = (
    "git clone",
    "cd ",
    "make test",
    "make bench",
    "docker compose",
)  # tried by other suites


def commands() -> list[str]:
    """Return the shell commands of the README's console blocks, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    lines = re.findall(r"^\$ (.*(?:\\\n.*)*)", "\n".join(blocks), flags=re.MULTILINE)
    return [line.split("   #")[0].strip() for line in lines]


@pytest.fixture(scope="module")
def fresh_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git knows or would add, as a clone would have them."""
    target = tmp_path_factory.mktemp("clone") / "atoll"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


class Started:
    """`make up` in the copy, with everything it printed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.environ = {**os.environ, "ATOLL_PORT": str(port), "NO_COLOR": "1"}
        self.environ.pop("ATOLL_HOME", None)
        self.process = subprocess.Popen(
            ["make", "up"],
            cwd=folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if "Ctrl-C" in line:
                self.ready.set()
        self.ready.set()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        here = command.replace("localhost:8000", f"localhost:{self.port}")
        return subprocess.run(
            ["bash", "-c", here],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def stop(self) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(timeout=30)
        self.reader.join(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def started(fresh_copy: Path) -> Iterator[Started]:
    running = Started(fresh_copy, free_port())
    try:
        assert running.ready.wait(240), running.lines
        yield running
    finally:
        running.stop()


@pytest.mark.process
def test_make_up_ends_with_one_address_and_no_error(started: Started) -> None:
    printed = "\n".join(started.lines)
    assert started.process.poll() is None, printed
    assert f"http://localhost:{started.port}" in printed
    assert "curl" in printed
    assert "Aishath" in printed
    assert not re.search(r"error|traceback|warning", printed, re.IGNORECASE), printed


@pytest.mark.process
def test_every_other_command_of_the_readme_works(started: Started) -> None:
    tried = [c for c in commands() if c != "make up" and not c.startswith(ELSEWHERE)]
    assert len(tried) >= 4
    assert "make demo" in tried
    for command in tried:
        done = started.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), f"{command} printed nothing"
        if done.stdout.lstrip().startswith("{"):
            body = json.loads(done.stdout)
            assert not (isinstance(body.get("status"), int) and body["status"] >= 400), body


@pytest.mark.process
def test_the_first_curl_of_the_banner_can_be_pasted(started: Started) -> None:
    line = next(line for line in started.lines if "curl " in line)
    done = started.run(line[line.index("curl ") :])
    assert done.returncode == 0
    assert "Thulusdhoo" in done.stdout


def test_the_readme_names_the_commands_that_set_everything_up() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("up", "test", "demo"):
        assert f"make {target}" in commands()
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert any(command.startswith("docker compose up") for command in commands())


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.process
def test_the_program_of_the_first_call_runs_as_it_is_printed(started: Started) -> None:
    page = (ROOT / "docs/tutorial/first-call.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (started.folder / "first_call.py").write_text(program, encoding="utf-8")
    done = started.run(".venv/bin/python first_call.py")
    assert done.returncode == 0, done.stderr
    assert "island" in done.stdout
