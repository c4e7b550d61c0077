"""Who is loading a register: a claim that ends with its process, however that ends.

On PostgreSQL an advisory lock of a connection, on SQLite a lock on a file beside the database.
"""

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from servicekit.database import Database
from servicekit.problems import Problem

_CLASS = 0x6C6F6164  # the space of our advisory locks
_in_memory: dict[tuple[int, int], threading.Lock] = {}


class RegisterLoading(Problem):
    """A file is being loaded into the register; appends wait until it is done."""

    slug, title, status = "register-loading", "A file is being loaded into this register", 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


@contextmanager
def claim(database: Database, register_id: int) -> Iterator[bool]:
    """Hold a register's claim if it is free; yields whether it was."""
    if database.engine.dialect.name == "postgresql":
        with _advisory(database, register_id) as held:
            yield held
        return
    name = database.engine.url.database
    if name in (None, "", ":memory:"):
        lock = _in_memory.setdefault((id(database), register_id), threading.Lock())
        held = lock.acquire(blocking=False)
        try:
            yield held
        finally:
            if held:
                lock.release()
        return
    with Path(f"{name}.loading-{register_id}").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def _advisory(database: Database, register_id: int) -> Iterator[bool]:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"class": _CLASS, "id": register_id}
        held = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:class, :id)"), key))
        try:
            yield held
        finally:
            if held:
                with contextlib.suppress(Exception):  # a lost connection has let go already
                    connection.execute(text("SELECT pg_advisory_unlock(:class, :id)"), key)
