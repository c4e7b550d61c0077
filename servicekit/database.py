"""A service's own database: one engine, and transactions as the only commit points."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event, make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

_READ = "atoll_read"


class Database:
    """The engine of one database address, with transactions that write and snapshots that read."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._readers = self.engine.execution_options(**{_READ: True})
        self._turn = Turns().turn if self.engine.dialect.name == "sqlite" else nullcontext

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a writing transaction: committed at the end, undone when an exception leaves it.

        On SQLite it takes the write lock at once, so that a reader never has to become a writer,
        and the writers of a process take turns: SQLite itself lets the lucky one go first again.
        """
        with (
            self._turn(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a reading transaction; writers go on meanwhile."""
        with Session(self._readers, expire_on_commit=False) as session, session.begin():
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


class Turns:
    """Serves threads in the order in which they came; a thread inside its turn may come again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._inside = threading.local()

    @property
    def waiting(self) -> int:
        """How many have come and not left, the one whose turn it is included."""
        return len(self._queue)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn and keep it until the end."""
        if getattr(self._inside, "yes", False):
            yield
            return
        mine = object()
        try:
            with self._changed:
                self._queue.append(mine)
                self._changed.wait_for(lambda: self._queue[0] is mine)
            self._inside.yes = True
            yield
        finally:
            self._inside.yes = False
            with self._changed:
                self._queue.remove(mine)
                self._changed.notify_all()


def reads_only(session: Session) -> bool:
    """Whether the session is a snapshot, in which nothing may be written."""
    return bool(session.get_bind().get_execution_options().get(_READ))


def empty(session: Session, metadata: MetaData) -> None:
    """Delete every row of every table."""
    for table in reversed(metadata.sorted_tables):
        session.execute(table.delete())


def _engine(url: str) -> Engine:
    options: dict[str, Any] = {"pool_pre_ping": True}
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=5, max_overflow=10, **options)
    options = {"connect_args": {"check_same_thread": False, "timeout": 15}}
    if address.database in (None, "", ":memory:"):
        options["poolclass"] = StaticPool  # one connection, or each thread sees other tables
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=15000",
    # pages that change again and again are copied to the database file once in 32 MB of log, and
    # stay in memory (16 MB at most): appends to large tables then cost a quarter of the time
    "wal_autocheckpoint=8000",
    "cache_size=-16000",
)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions behind our back
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    reads = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
