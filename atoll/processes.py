"""Facts about this machine: which processes live, since when, and who holds a port."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path


def birth(pid: int) -> str | None:
    """Return when a process began, in words of the system, or None when it is gone.

    Process ids are used again; an id together with its birth is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 (in a different place everywhere)
            capture_output=True,
            text=True,
            check=False,
        )
        return shown.stdout.strip() or None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def lives(pid: int, born: str | None) -> bool:
    """Whether the process that was born then still runs."""
    return born is not None and birth(pid) == born


def send(pid: int, sent: signal.Signals) -> None:
    """Signal a process and, for a kill, its whole group; one that is gone is left alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sent == signal.SIGKILL and os.getpgid(pid) == pid:
            os.killpg(pid, sent)
        else:
            os.kill(pid, sent)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
                probe.listen(1)
        except OSError:
            if family == socket.AF_INET or _has_ipv6():
                return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def free_ports(first: int, count: int) -> list[int]:
    """Return ``count`` free ports, the first ones from ``first`` on."""
    ports: list[int] = []
    port = first
    while len(ports) < count and port < 65536:
        if is_free(port):
            ports.append(port)
        port += 1
    if len(ports) < count:  # at the end of the range: leave the choice to the system
        for _ in range(count - len(ports)):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
    return ports


def who_listens(port: int) -> str | None:
    """Name the process that listens on a port ("python3, process 4711"), where Linux tells us."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return None
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        name = (folder / "comm").read_text(encoding="utf-8").strip()
                        return f"{name}, process {folder.name}"
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"
