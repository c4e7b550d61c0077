"""Loading a stream of commands into a register: all of it or nothing, in chunks nobody sees.

What a load writes lies beyond the register's head until one short transaction moves the head.
Meanwhile readers see the old state, other registers take appends, and this one takes none.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.database import Database
from servicekit.problems import Conflict, NotFound
from services.registers.domain import rsf
from services.registers.domain.checking import Checker
from services.registers.storage import abandoned, blobs, heads, rows
from services.registers.storage.appending import RECORD_COLUMNS
from services.registers.storage.chunks import Chunks, Rules
from services.registers.storage.claims import RegisterLoading, claim
from services.registers.storage.tables import BlobPlace, Head, Record, Register, core

COUNT_FROM = 10_000  # entries
PUBLISHED_AT_ONCE = 20_000  # records and places written in one transaction before publishing


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    size: int
    entries: int
    items: int
    system_entries: int
    root_v1: bytes
    root_v2: bytes
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)


def load(
    database: Database,
    register: str,
    commands: Iterable[rsf.Command],
    *,
    checker: Checker,
    relaxed: bool = False,
    relaxed_until: int = 0,
    skip_repeats: bool = False,
    progress: Callable[[int], None] = lambda entries: None,
    also: Callable[[Session], None] = lambda session: None,
    now: int,
) -> Loaded:
    """Append what the commands say to a register that exists, or nothing.

    progress: told the number of entries after each chunk. also: changes that are published
    together with the load. now: seconds since 1970; no entry is of later. Raises rsf.Faulty,
    NotFound, RegisterLoading or Conflict.
    """
    with database.snapshot() as session:
        head = heads.find_register(session, register)
    if head is None:
        raise NotFound("There is no register of this name.")
    rules = Rules(now, relaxed, skip_repeats, relaxed_until)
    with _claimed(database, head["id"]):
        _begin(database, head["id"], name := secrets.token_hex(16))
        return _run(database, head["id"], name, commands, checker, rules, progress, also)


def create_and_load(
    database: Database,
    register: dict[str, Any],
    commands: Iterable[rsf.Command],
    *,
    checker: Checker,
    relaxed: bool = False,
    relaxed_until: int = 0,
    skip_repeats: bool = False,
    progress: Callable[[int], None] = lambda entries: None,
    also: Callable[[Session], None] = lambda session: None,
    now: int,
) -> Loaded:
    """Do what ``load`` does with a register that is not there before the load is published.

    register: columns of ``Register``. Raises Conflict when the name is taken.
    """
    name = secrets.token_hex(16)
    _make_way(database, register["name"])
    try:
        with database.transaction() as session:
            register_id = heads.add_register(session, register, loading=name)
    except IntegrityError:
        raise Conflict(f"There is a register {register['name']} already.") from None
    rules = Rules(now, relaxed, skip_repeats, relaxed_until)
    with _claimed(database, register_id):
        return _run(database, register_id, name, commands, checker, rules, progress, also)


def _make_way(database: Database, register: str) -> None:
    """Take back a creation of this register whose process is gone."""
    with database.snapshot() as session:
        hidden = session.scalar(
            select(Head.register_id)
            .join(Register, Register.id == Head.register_id)
            .where(Register.name == register, Head.hidden)
        )
    if hidden is not None:
        abandoned.discard_if_abandoned(database, hidden)


@contextmanager
def _claimed(database: Database, register_id: int) -> Iterator[None]:
    with claim(database, register_id) as held:
        if not held:
            raise RegisterLoading("Another file is being loaded into it. Try again when it is in.")
        yield


def _begin(database: Database, register_id: int, name: str) -> None:
    abandoned.discard(database, register_id)
    with database.transaction() as session:
        if heads.lock_head(session, register_id) is None:
            raise NotFound("There is no register of this name any more.")
        session.execute(update(Head).where(Head.register_id == register_id).values(loading=name))


def _run(
    database: Database,
    register_id: int,
    name: str,
    commands: Iterable[rsf.Command],
    checker: Checker,
    rules: Rules,
    progress: Callable[[int], None],
    also: Callable[[Session], None],
) -> Loaded:
    try:
        with Chunks(database, register_id, name, checker, rules, progress) as chunks:
            for command in commands:
                chunks.take(command)
            chunks.finish()
            _write_places(register_id, chunks)
            _write_records(register_id, chunks)
            loaded = _publish(register_id, chunks, also)
    except BaseException:
        abandoned.discard(database, register_id)
        raise
    _tell_the_planner(database, loaded)
    return loaded


def _write_places(register_id: int, chunks: Chunks) -> None:
    places = chunks.scratch.places()
    while part := [row for row, _ in zip(places, range(PUBLISHED_AT_ONCE), strict=False)]:
        with chunks.transaction() as session:
            values = [(register_id, *row) for row in part]
            rows.write(session, BlobPlace.__table__, blobs.PLACE_COLUMNS, values)


def _write_records(register_id: int, chunks: Chunks) -> None:
    records = chunks.scratch.records()
    table = core(Record.__table__)
    while part := [row for row, _ in zip(records, range(PUBLISHED_AT_ONCE), strict=False)]:
        with chunks.transaction() as session:
            new = [(register_id, *row[:4]) for row in part if not row[4]]
            rows.write(session, table, RECORD_COLUMNS, new)
            rows.move_records(
                session,
                register_id,
                [(key, number, blob) for key, _, number, blob, older in part if older],
            )


def _tell_the_planner(database: Database, loaded: Loaded) -> None:
    """Let PostgreSQL count at once what it would find out a minute later."""
    if database.engine.dialect.name != "postgresql" or loaded.entries < COUNT_FROM:
        return
    with (
        contextlib.suppress(SQLAlchemyError),  # the load is in; this only makes it quick
        database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.execute(text("ANALYZE entry, record, blob, blob_place, tile"))


def _publish(register_id: int, chunks: Chunks, also: Callable[[Session], None]) -> Loaded:
    """Move the head over everything that was written: the one moment that anybody sees."""
    peaks = {tree: growth.peaks() for tree, growth in chunks.growth.items()}
    records = chunks.head["records"] + chunks.scratch.new_records()
    with chunks.transaction() as session:
        session.execute(
            update(Head)
            .where(Head.register_id == register_id)
            .values(
                size=chunks.size,
                records=records,
                blobs=chunks.blobs,
                system_size=chunks.system_size,
                updated=chunks.updated,
                peaks=b"".join(peaks["v2"]),
                peaks_v1=b"".join(peaks["v1"]),
                loading=None,
                hidden=chunks.head["state"] == "draft",
            )
        )
        rows.forget_edge(session, register_id, chunks.size)
        also(session)
    return Loaded(
        size=chunks.size,
        entries=chunks.entries,
        items=chunks.blobs - chunks.head["blobs"],
        system_entries=chunks.system_size - chunks.head["system_size"],
        root_v1=merkle.fold(peaks["v1"]),
        root_v2=merkle.fold(peaks["v2"]),
        skipped=chunks.skipped,
        warnings=chunks.warnings,
    )
