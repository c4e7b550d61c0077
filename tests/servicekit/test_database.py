"""Transactions on both engines: commit, undo, snapshots, SQLite's promises, migrations' check."""

import threading
import time

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text

from servicekit.database import Database, Turns, empty

METADATA = MetaData()
THING = Table("thing", METADATA, Column("id", Integer, primary_key=True), Column("name", String))


def count(database: Database) -> int:
    with database.snapshot() as session:
        return session.execute(select(func.count()).select_from(THING)).scalar_one()


def fail_after_writing(database: Database) -> None:
    with database.transaction() as session:
        session.execute(insert(THING).values(name="lost"))
        raise ZeroDivisionError


def test_a_transaction_commits_at_its_end_and_is_undone_by_an_exception(database: Database) -> None:
    METADATA.create_all(database.engine)
    with database.transaction() as session:
        session.execute(insert(THING).values(name="kept"))
    with pytest.raises(ZeroDivisionError):
        fail_after_writing(database)
    assert count(database) == 1
    with database.transaction() as session:
        empty(session, METADATA)
    assert count(database) == 0


def test_writers_queue_and_none_is_lost(database: Database) -> None:
    METADATA.create_all(database.engine)

    def add() -> None:
        for _ in range(5):
            with database.transaction() as session:
                session.execute(select(func.count()).select_from(THING))
                session.execute(insert(THING).values(name="x"))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database) == 40


def test_writers_take_turns_in_the_order_in_which_they_came() -> None:
    turns, order = Turns(), list[str]()

    def other() -> None:
        with turns.turn():
            order.append("the other")

    thread = threading.Thread(target=other)
    with turns.turn():
        thread.start()
        while turns.waiting < 2:
            time.sleep(0.001)
        with turns.turn():
            order.append("the first, within its turn")
    with turns.turn():
        order.append("the first again")
    thread.join()
    assert order == ["the first, within its turn", "the other", "the first again"]


def test_a_turn_ends_with_an_exception() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        assert turns.waiting == 1
    assert turns.waiting == 0


def test_a_snapshot_reads_while_a_writer_writes(database: Database) -> None:
    METADATA.create_all(database.engine)
    with database.transaction() as writer:
        writer.execute(insert(THING).values(name="not yet"))
        assert count(database) == 0
    assert count(database) == 1


def test_sqlite_promises_durability_and_foreign_keys(sqlite: Database) -> None:
    with sqlite.snapshot() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_threads_share_one_database_in_memory() -> None:
    database = Database("sqlite://")
    METADATA.create_all(database.engine)
    with database.transaction() as session:
        session.execute(insert(THING).values(name="x"))
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(count(database)))
    thread.start()
    thread.join()
    assert seen == [1]
    database.dispose()
