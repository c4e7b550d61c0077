"""The platform as a whole: start, reset, memory, and the licence journey."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atoll import door
from bench.measure import (
    Figure,
    Options,
    can_measure_memory,
    free_port,
    median,
    pss_mb,
    seconds,
    show,
    tree_of,
)

CHECKOUT = Path(__file__).resolve().parent.parent
REST_S = 5


def measure(options: Options) -> list[Figure]:
    """Measure the start, the reset, the memory and the journey of the whole platform."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        figures += on_processes(Path(folder))
        if not options.quick:
            figures += cold(Path(folder))
    if not options.quick:
        figures += in_containers()
    return figures


def on_processes(folder: Path) -> list[Figure]:
    """Measure `atoll up` on SQLite."""
    home, port = folder / "home", free_port()
    environment = {**os.environ, "ATOLL_HOME": str(home)}
    environment.pop("ATOLL_PUBLIC_URL", None)

    def atoll(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "atoll", *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )

    up = ("up", "--detach", "--port", str(port))
    figures = [
        show(Figure("first start, packages installed", seconds(lambda: atoll(*up)), "s", 20))
    ]
    atoll("down")
    figures.append(show(Figure("later start", seconds(lambda: atoll(*up)), "s", 6)))
    try:
        journeys = [journey_s(atoll("demo", "--json").stdout) for _ in range(7)]
        figures.append(
            show(Figure("licence journey, end to end, median of 7", sorted(journeys)[3], "s", 1.5))
        )
        whole = median(lambda: atoll("demo"), 3)
        figures.append(show(Figure("the same as a command, with Python's start", whole, "s", 1.5)))
        reset = median(lambda: atoll("reset", "--yes"), 3)
        figures.append(show(Figure("atoll reset, median of 3", reset, "s", 5)))
        if can_measure_memory():
            time.sleep(REST_S)
            pids = tree_of(int((home / "run" / "lock").read_text()))
            figures.append(
                show(
                    Figure(
                        f"memory at rest: PSS of all {len(pids)} processes", pss_mb(pids), "MB", 550
                    )
                )
            )
            figures.append(
                show(Figure("memory of the supervisor alone", pss_mb(pids[:1]), "MB", 25))
            )
        else:
            print("  memory is not measured: this system tells no proportional set size")
    finally:
        atoll("down")
    return figures


def journey_s(lines: str) -> float:
    """Return the seconds of all calls of one journey."""
    return float(sum(json.loads(line)["ms"] for line in lines.splitlines())) / 1000


def cold(folder: Path) -> list[Figure]:
    """Measure `make up` on a fresh clone: virtual environment, packages, keys, start."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
    python = Path(sys.executable).resolve()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")
    }
    command = ["make", "up", f"PYTHON={python}", f"ARGS=--detach --port {free_port()}"]

    def start() -> None:
        subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)

    figure = show(Figure("make up on a fresh clone, warm package cache", seconds(start), "s", 60))
    subprocess.run([".venv/bin/atoll", "down"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    return [figure]


def in_containers() -> list[Figure]:
    """Measure the memory of `docker compose up` with PostgreSQL."""
    compose = ["docker", "compose", "-p", "atoll-bench"]
    if (
        not shutil.which("docker")
        or subprocess.run(
            [*compose, "ps", "-q"], check=False, cwd=CHECKOUT, capture_output=True
        ).returncode
    ):
        print("  compose is not measured: no engine answers (`docker compose version`)")
        return []
    environment = {**os.environ, "ATOLL_PORT": str(free_port())}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*compose, *arguments],
            cwd=CHECKOUT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    try:
        run("build", "--quiet")

        def start() -> None:
            run("up", "-d")
            while not door.is_ready(f"http://localhost:{environment['ATOLL_PORT']}"):
                time.sleep(0.1)

        started = seconds(start)
        time.sleep(REST_S)
        ids = run("ps", "-q").split()
        roots = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Pid}}", *ids],
            capture_output=True,
            text=True,
            check=True,
        )
        pids = {pid for root in roots.stdout.split() for pid in tree_of(int(root))}
        return [
            show(Figure("docker compose up with images built, until ready", started, "s", 60)),
            show(
                Figure(
                    f"compose memory: PSS of all {len(pids)} processes",
                    pss_mb(list(pids)),
                    "MB",
                    800,
                )
            ),
        ]
    finally:
        run("down", "-v")
