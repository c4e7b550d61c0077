"""Ways to measure: seconds of a command, memory of a tree of processes."""

import contextlib
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the caller of ``make bench`` chose: shorter, or everything at its full size."""

    quick: bool = False
    big: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured figure against its target; None stands for a figure that is only printed."""

    what: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False  # else smaller is better

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value < self.target

    def line(self) -> str:
        """Write it for a person."""
        digits = 0 if self.value >= 100 else 1 if self.value >= 10 else 2
        value = f"  {self.what:<64} {self.value:>9,.{digits}f} {self.unit:<10}"
        if self.target is None:
            return value.rstrip()
        side = "at least" if self.at_least else "under"
        return f"{value} {side} {self.target:<8g} {'met' if self.is_met else 'NOT MET'}"


def show(figure: Figure) -> Figure:
    """Print a figure as soon as it is known."""
    print(figure.line(), flush=True)
    return figure


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seconds(action: Callable[[], object]) -> float:
    """Return how long the action took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def median(action: Callable[[], object], times: int) -> float:
    """Return the median duration of several runs."""
    return statistics.median(seconds(action) for _ in range(times))


def tree_of(root: int) -> list[int]:
    """Return a process and all its descendants."""
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in shown.stdout.splitlines()]
    found = [root]
    for parent in found:
        found += [pid for pid, its_parent in pairs if its_parent == parent]
    return found


def pss_mb(pids: list[int]) -> float:
    """Return the sum of the proportional set sizes in megabytes (Linux)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def can_measure_memory() -> bool:
    """Whether this system tells proportional set sizes."""
    return Path(f"/proc/{os.getpid()}/smaps_rollup").is_file()
