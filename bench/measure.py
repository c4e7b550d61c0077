"""Ways to measure: seconds of a command, memory of a tree of processes."""

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure against its target (smaller is better)."""

    what: str
    value: float
    unit: str
    target: float

    def line(self) -> str:
        """Write it for a person."""
        met = "met" if self.value < self.target else "NOT MET"
        value = f"{self.value:.2f}" if self.unit == "s" else f"{self.value:.0f}"
        target = f"under {self.target:g} {self.unit}"
        return f"  {self.what:<56} {value:>8} {self.unit:<3} {target:<13} {met}"


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
