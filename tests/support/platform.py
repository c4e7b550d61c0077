"""The real platform as real processes: `atoll up` in a home of its own, shared by a test run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll import processes

CHECKOUT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 120


class RunningPlatform:
    """A platform that runs; ``url`` is its gateway, ``home`` its folder."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self.home, self.port = home, port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.kept: dict[str, Any] = {}  # what tests of several modules share, cookies for one
        self._process: subprocess.Popen[bytes] | None = None
        self._credentials: dict[str, Any] | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment in which the command line finds this platform."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
        return {**kept, "ATOLL_HOME": str(self.home), "NO_COLOR": "1"}

    def start(self) -> None:
        """Start it and wait until everything is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "atoll", "up", "--port", str(self.port)],
                env=self.environment(),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = self._process

        def is_up() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"atoll up ended ({process.returncode}):\n{self.output()}")
            return "Atoll is running." in self.output()

        wait_for(is_up, START_WITHIN_S, self.output)

    def stop(self) -> int:
        """Stop it as Ctrl-C does and return the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(30)
        finally:
            self._process.kill()
            self._process = None

    def output(self) -> str:
        """Return what `atoll up` printed so far."""
        return (self.home / "up.txt").read_text(encoding="utf-8", errors="replace")

    def run(self, *arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run ``atoll ARGUMENTS`` for this platform."""
        return subprocess.run(
            [sys.executable, "-m", "atoll", *arguments],
            env=self.environment(),
            cwd=CHECKOUT,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def credentials(self) -> dict[str, Any]:
        """Return what ``atoll credentials --json`` prints."""
        if self._credentials is None:
            self._credentials = dict(json.loads(self.run("credentials", "--json").stdout))
        return self._credentials

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the services of ``atoll status --json`` by name."""
        shown = json.loads(self.run("status", "--json").stdout)
        return {each["name"]: each for each in shown["services"]}

    def kill(self, name: str, *, server: bool = False) -> int:
        """Kill -9 a process (``server``: the one below it that answers); return its id."""
        pid = int(self.status()[name]["pid"])
        if server:
            pid = wait_for(lambda: _child_of(pid), 10)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_ready(self) -> None:
        """Wait until every process runs again."""

        def all_ready() -> bool:
            shown = self.status()
            return bool(shown) and all(each["state"] == "ready" for each in shown.values())

        wait_for(all_ready, 40, self.output)


def _child_of(pid: int) -> int | None:
    shown = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    for line in shown.stdout.splitlines():
        child, parent, arguments = line.split(None, 2)
        if int(parent) == pid and "resource_tracker" not in arguments:
            return int(child)
    return None


def free_port() -> int:
    """Return a port where nobody listens, there and on the next ones, where services follow.

    Below the range that systems give to outgoing calls: a call of another test could take a port
    there between this look and the start.
    """
    for first in random.SystemRandom().sample(range(15_000, 32_000, 32), 200):
        if all(processes.is_free(first + place) for place in range(20)):
            return first
    raise AssertionError("there is no free port")


def wait_for(
    condition: Callable[[], Any], seconds: float, explain: Callable[[], str] = lambda: ""
) -> Any:
    """Return the condition's first true value, or fail with an explanation."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"it did not come true within {seconds} s\n{explain()}")


@pytest.fixture(scope="session")
def running_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform of real processes on SQLite, started once for all tests of a run.

    Whoever changes its data or kills its processes leaves it ready for the next.
    """
    platform = RunningPlatform(tmp_path_factory.mktemp("platform"))
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
