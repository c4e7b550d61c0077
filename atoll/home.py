"""The folder where one platform lives (ATOLL_HOME): layout, permissions, writes, the lock."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.exits import IN_THE_WAY, Stop

CHECKOUT = Path(__file__).resolve().parent.parent
LEAST_FREE_BYTES = 50 * 1024 * 1024
LOG_BYTES = 20 * 1024 * 1024


class Home:
    """Paths of one home, and what may be written there.

    secrets/<service>/ owner-only files, data/<service>.db, log/<service>.log, run/ lock and state
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.secrets = self.folder / "secrets"
        self.data = self.folder / "data"
        self.logs = self.folder / "log"
        self.run = self.folder / "run"
        self.state_file = self.run / "state.json"
        self.lock_file = self.run / "lock"

    def prepare(self) -> None:
        """Make the folders, owner-only; raise Stop when the disk is full or cannot be written."""
        with said_plainly(self.folder):
            for folder in (self.folder, self.secrets, self.data, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            write(self.run / "probe", b"written to see whether this folder takes files\n" * 2000)
            (self.run / "probe").unlink()
        free = shutil.disk_usage(self.folder).free
        if free < LEAST_FREE_BYTES:
            raise Stop(
                f"The disk that holds {self.folder} is full: {free // 2**20} MB are free and at "
                f"least {LEAST_FREE_BYTES // 2**20} MB are needed. Free some space, or choose "
                "another place with --home.",
                IN_THE_WAY,
            )

    def log_of(self, name: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{name}.log"

    def state(self) -> dict[str, Any] | None:
        """Return what the supervisor last wrote, or None."""
        try:
            state = json.loads(self.state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def holder(self) -> int | None:
        """Return the process id of the ``atoll up`` that holds this home, or None."""
        try:
            with self.lock_file.open("r+", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = self.lock_file.read_text(encoding="utf-8").strip()
            return int(text) if text.isdecimal() else 0
        except OSError:
            return None
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this home for one ``atoll up``; the lock goes with the process, even by kill -9."""
        with self.lock_file.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                address = (self.state() or {}).get("gateway")
                raise Stop(
                    f"Atoll is already running here (process {self.holder() or 'unknown'}"
                    f"{f', at {address}' if address else ''}). Stop it with `atoll down`, or start "
                    "a second one with --home and --port.",
                    IN_THE_WAY,
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield


@contextmanager
def said_plainly(place: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            why = "cannot be written (it is read-only or belongs to someone else)"
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "is on a full disk. Free some space"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            why = "is not a folder"
        else:
            raise
        raise Stop(
            f"The home folder {place} {why}. Choose another place with --home or ATOLL_HOME.",
            IN_THE_WAY,
        ) from None


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that it is whole after a power cut: temporary file, fsync, rename, fsync."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def shorten_log(path: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Move a log that has grown too long aside; writers that append go on in the emptied file."""
    if path.is_file() and path.stat().st_size > limit_bytes:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        path.with_suffix(".log.1").chmod(0o600)
        os.truncate(path, 0)


def choose(option: str | None) -> Home:
    """Return the home named by the option, by ATOLL_HOME, or ``var`` in the checkout."""
    return Home(Path(option or os.environ.get("ATOLL_HOME") or CHECKOUT / "var"))
