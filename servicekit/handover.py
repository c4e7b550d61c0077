"""Replaces the workers of a running server one by one, so that no call fails: ``kill -HUP``.

For each worker: its successor starts and must be ready, else the old one stays. New connections are
then steered to the successor; the old worker asks its callers to connect anew (SIGUSR1), and when
they have, it finishes what it has and ends.

Steering (Linux): all workers listen on one port (SO_REUSEPORT) and the kernel spreads connections
over them. A listening socket that closes would drop the connections that wait in it, so a small
program for the kernel (classic BPF, "return N") first sends every new connection to the newest.
"""

import ctypes
import logging
import os
import signal
import socket
import stat
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from granian import Granian

logger = logging.getLogger("_granian")
FOLDER_VARIABLE = "ATOLL_RUN"
PORT_VARIABLE = "ATOLL_PORT_OF_WORKERS"
STEER_VARIABLE = "ATOLL_STEER_TO"
READY_WITHIN_S = 30.0
DRAIN_S = 2.0
_SO_ATTACH_REUSEPORT_CBPF = 51
_BPF_RETURN_CONSTANT = 0x06


class Server(Granian):  # type: ignore[misc,valid-type]
    """Granian, with a handover that waits for the successor instead of for a number of seconds."""

    def _respawn_workers(
        self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        for index in workers:
            if self.interrupt_signal:
                return
            old = self.wrks[index]
            os.environ[STEER_VARIABLE] = str(self.workers)
            fresh = self._spawn_worker(
                idx=index, target=spawn_target, callback_loader=target_loader
            )
            fresh.interrupt_by_parent = True  # until it is ready its end is not the server's end
            fresh.start()
            del os.environ[STEER_VARIABLE]
            if not self._becomes_ready(fresh):
                if not self.interrupt_signal:
                    logger.error("a new worker did not become ready; the old one stays")
                fresh.kill()
                continue
            self.wrks[index] = fresh
            fresh.interrupt_by_parent = False
            if old.is_alive():
                os.kill(old.inner.pid, signal.SIGUSR1)
                time.sleep(DRAIN_S)
            old.terminate()
            old.join(self.workers_kill_timeout)
            if old.is_alive():
                old.kill()

    def _becomes_ready(self, worker: Any) -> bool:
        mark = _mark(worker.inner.pid)
        until = time.monotonic() + READY_WITHIN_S
        while worker.is_alive() and not self.interrupt_signal and time.monotonic() < until:
            if mark.exists():
                return True
            time.sleep(0.02)
        return False


def _mark(pid: int) -> Path:
    return Path(os.environ[FOLDER_VARIABLE]) / f"ready-{pid}"


def announce() -> None:
    """In a new worker: say when it listens, after new connections have been steered to it."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # the gateway listens to it, others need not
    if FOLDER_VARIABLE in os.environ and PORT_VARIABLE in os.environ:
        threading.Thread(target=_announce, daemon=True).start()


def _announce() -> None:
    port, steer = int(os.environ[PORT_VARIABLE]), os.environ.get(STEER_VARIABLE)
    until = time.monotonic() + READY_WITHIN_S
    while not (listening := _listening_on(port)) and time.monotonic() < until:
        time.sleep(0.01)
    for each in listening:
        if steer is not None:
            steer_to(each, int(steer))
        each.close()
    if listening:
        _mark(os.getpid()).touch()


def _listening_on(port: int) -> list[socket.socket]:
    """Return copies of this process's sockets that listen on a port, once IPv4 is among them."""
    found = []
    for file in Path("/dev/fd").iterdir():
        try:
            if not stat.S_ISSOCK(os.fstat(number := int(file.name)).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(number))
        except OSError:
            continue  # closed meanwhile
        if _listens(copy, port):
            found.append(copy)
        else:
            copy.close()
    if not any(each.family == socket.AF_INET for each in found):
        for each in found:
            each.close()
        return []
    return found


def _listens(candidate: socket.socket, port: int) -> bool:
    try:
        return (
            candidate.family in (socket.AF_INET, socket.AF_INET6)
            and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            and candidate.getsockname()[1] == port
        )
    except OSError:
        return False


def steer_to(listener: socket.socket, number: int) -> bool:
    """Send every new connection to the socket of this number in the group, oldest first.

    A number that the group does not have leaves the choice to the kernel again. Returns whether
    this system can do it.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN_CONSTANT, 0, 0, number))
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)
    except OSError as error:
        logger.warning("new connections cannot be steered: %s", error)
        return False
    return True
