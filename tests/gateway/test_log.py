"""The exchange log: what is written, when, under which faults, on both engines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DataError, OperationalError

from gateway import storage
from gateway.exchanges import writer as writer_module
from gateway.exchanges.entry import Entry
from gateway.exchanges.seal import Seal
from gateway.exchanges.writer import Writer
from gateway.refusals import LogUnavailable
from gateway.storage import Wanted
from servicekit import migrate
from servicekit.database import Database
from tests.gateway.harness import SERVICES, in_loop, settings, until

SEAL = Seal(b"l" * 32)


def entry(name: str, **changes: Any) -> Entry:
    made = Entry(exchange=name, at_ms=1_772_514_000_000, trace="t" * 32, method="GET")
    for field, value in changes.items():
        setattr(made, field, value)
    return made


def rows(database: Database) -> list[dict[str, Any]]:
    with database.snapshot() as session:
        return storage.list_exchanges(session, limit=10_000, after=0)


def names(database: Database) -> list[str]:
    return [row["exchange"] for row in rows(database)]


@asynccontextmanager
async def writing(database: Database, **options: float) -> AsyncIterator[Writer]:
    writer = Writer(database, SEAL, **({"flush_every_s": 0.005} | options))
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@pytest.fixture
def log(database: Database) -> Database:
    migrate.upgrade("gateway", database)
    return database


@pytest.fixture
def sqlite_log(sqlite: Database) -> Database:
    storage.metadata.create_all(sqlite.engine)
    return sqlite


def test_migrations_make_the_models(log: Database) -> None:
    assert migrate.differences("gateway", log) == []
    for state in (None, "{}"):  # elsewhere, then for a demonstration
        made = settings("sqlite://", dict.fromkeys(SERVICES, 1), start_state=state)
        migrate.load_start_state("gateway", made, log)
        with log.snapshot() as session:
            agreed = {(one.client_id, one.service) for one in storage.all_agreements(session)}
            assert (("fisheries", "identity") in agreed) == (state is not None)
    assert rows(log) == []


def test_an_entry_comes_back_as_it_was_written(log: Database) -> None:
    written = entry(
        "a", service="identity", route="/identity/{x}", parameters={"x": "ދިވެހި 'x'"},
        personal="read", caller="fisheries", purpose="vessel-licence", basis="consent",
        consent="c-1", categories=("contact",), subject="person-1", status=200,
        outcome="answered", reason=None, sentence="“Words.”", duration_us=2**40, size_bytes=2**40,
    )  # fmt: skip
    with log.transaction() as session:
        storage.append_exchanges(session, [SEAL.row(written), SEAL.row(entry("b"))])
        assert storage.last_number(session) == 2
    first, second = rows(log)
    for field in ("route", "parameters", "caller", "sentence", "duration_us", "consent", "at_ms"):
        assert first[field] == getattr(written, field)
    assert first["categories"] == ["contact"]
    assert SEAL.open(first["subject_sealed"], "a") == "person-1"
    assert (second["subject_sealed"], second["parameters"]) == (None, None)
    with log.snapshot() as session:
        table = storage.Exchange.__table__
        assert session.scalar(select(table.c.exchange).where(table.c.parameters.is_(None))) == "b"


def test_an_entry_written_twice_stands_once(log: Database) -> None:
    for _ in range(2):
        with log.transaction() as session:
            storage.append_exchanges(session, [SEAL.row(entry("a")), SEAL.row(entry("b"))])
    assert names(log) == ["a", "b"]


def test_pages_and_filters(log: Database) -> None:
    with log.transaction() as session:
        storage.append_exchanges(
            session,
            [
                SEAL.row(
                    entry(
                        f"e{number}", trace=f"{number % 2}", caller=f"c{number % 3}",
                        service=f"s{number % 2}", subject=f"p{number % 2}",
                    )
                )
                for number in range(1, 11)
            ],
        )  # fmt: skip

    def page(
        limit: int = 3, before: int | None = None, after: int | None = None, **options: Any
    ) -> list[int]:
        with log.snapshot() as session:
            found = storage.list_exchanges(
                session, Wanted(**options), limit=limit, before=before, after=after
            )
        return [row["number"] for row in found]

    assert page() == [10, 9, 8]
    assert page(before=8) == [7, 6, 5]
    assert page(after=7) == [8, 9, 10]
    assert page(after=0) == [1, 2, 3]
    assert page(trace="1", limit=10) == [9, 7, 5, 3, 1]
    assert page(caller="c0", limit=10) == [9, 6, 3]
    assert page(service="s0", caller="c0", limit=10) == [6]
    assert page(subject_index=SEAL.index("p1"), limit=10) == [9, 7, 5, 3, 1]
    assert page(subject_index=SEAL.index("p9")) == []


def test_numbers_are_never_used_again(log: Database) -> None:
    with log.transaction() as session:
        storage.append_exchanges(session, [SEAL.row(entry("a")), SEAL.row(entry("b"))])
    with log.transaction() as session:
        assert storage.erase(session, "a test", 0) == 2
        storage.append_exchanges(session, [SEAL.row(entry("c"))])
    assert [row["number"] for row in rows(log)] == [3]


@in_loop
async def test_two_writers_lose_nothing_and_show_numbers_in_order(log: Database) -> None:
    async with writing(log) as one, writing(log) as two:
        seen: list[int] = []

        def follow() -> None:
            with log.snapshot() as session:
                after = seen[-1] if seen else 0
                found = storage.list_exchanges(session, limit=1000, after=after)
            seen.extend(row["number"] for row in found)

        for number in range(200):
            (one if number % 2 else two).add(entry(f"e{number}"))
            if number % 20 == 0:
                await one.add_durably(entry(f"d{number}"))
                await asyncio.to_thread(follow)
        await asyncio.to_thread(one.flush)
        await asyncio.to_thread(two.flush)
        follow()
    assert len(names(log)) == 210
    assert seen == [row["number"] for row in rows(log)]


@in_loop
async def test_a_durable_entry_is_there_when_the_wait_ends(log: Database) -> None:
    async with writing(log, flush_every_s=5) as writer:
        writer.add(entry("a"))
        await writer.add_durably(entry("b"))
        assert names(log)[-1] == "b"


@in_loop
async def test_stopping_writes_what_is_left(sqlite_log: Database) -> None:
    async with writing(sqlite_log, flush_every_s=5) as writer:
        for number in range(1200):
            writer.add(entry(f"e{number}"))
    assert names(sqlite_log) == [f"e{number}" for number in range(1200)]


@in_loop
async def test_ordinary_entries_wait_out_a_fault_and_durable_ones_are_refused(
    sqlite_log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(writer_module, "RETRY_S", 0.02)
    async with writing(sqlite_log) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(writer_module, "append_exchanges", full)
            writer.add(entry("a"))
            with pytest.raises(LogUnavailable):
                await writer.add_durably(entry("b"))
            assert not writer.works
            assert names(sqlite_log) == []
        await until(lambda: writer.works)
        await until(lambda: names(sqlite_log))
    assert names(sqlite_log) == ["a"]
    assert writer.dropped == 0


@in_loop
async def test_memory_is_bounded_while_the_database_is_away(
    sqlite_log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(writer_module, "KEPT_AT_MOST", 100)
    monkeypatch.setattr(writer_module, "append_exchanges", away)
    async with writing(sqlite_log) as writer:
        for number in range(250):
            writer.add(entry(f"e{number}"))
        await asyncio.to_thread(writer.flush)
        assert len(writer._kept) == 100
    assert writer.dropped == 250


@in_loop
async def test_one_entry_that_cannot_be_stored_takes_no_other_with_it(
    sqlite_log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(session: Any, rows: list[dict[str, Any]]) -> None:
        if any(row["exchange"].startswith("bad") for row in rows):
            raise DataError("INSERT", {}, Exception("a NUL byte"))
        storage.append_exchanges(session, rows)

    monkeypatch.setattr(writer_module, "append_exchanges", picky)
    async with writing(sqlite_log, flush_every_s=0.2) as writer:
        for name in ("a", "bad", "b"):
            writer.add(entry(name))
        with pytest.raises(LogUnavailable):
            await writer.add_durably(entry("bad too"))
        await writer.add_durably(entry("c"))
        assert writer.works
    assert names(sqlite_log) == ["a", "b", "c"]
    assert writer.dropped == 1


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_sealed_subject_opens_only_where_it_belongs(subject: str) -> None:
    sealed = SEAL.close(subject, "a")
    assert SEAL.open(sealed, "a") == subject
    assert sealed != SEAL.close(subject, "a")
    for wrong in (lambda: SEAL.open(sealed, "b"), lambda: Seal(b"x" * 32).open(sealed, "a")):
        with pytest.raises(InvalidTag):
            wrong()
    assert SEAL.index(subject) == Seal(b"l" * 32).index(subject) != Seal(b"x" * 32).index(subject)
