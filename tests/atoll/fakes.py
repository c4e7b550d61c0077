"""Tiny stand-ins for services: programs of a few lines that the supervisor can start."""

import os
import sys
import textwrap
from pathlib import Path

from atoll.supervisor import Plan

STEADY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("begun", flush=True)
while True:
    time.sleep(60)
"""
CRASHING = """
import sys
sys.exit("the cable is loose")
"""
MISCONFIGURED = """
import sys
print("{name} cannot start:\\n{name} needs a key.", file=sys.stderr)
sys.exit(78)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
while True:
    time.sleep(60)
"""


def plan(name: str, program: str, folder: Path, port: int | None = 1) -> Plan:
    """Plan a process that runs this program text; nothing listens on its port."""
    return Plan(
        name,
        [sys.executable, "-c", textwrap.dedent(program).replace("{name}", name)],
        dict(os.environ),
        folder / f"{name}.log",
        port,
    )
