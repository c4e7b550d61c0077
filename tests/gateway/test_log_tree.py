"""The log as a tree: what is appended is proved, what is changed is named, on both engines."""

import asyncio
import base64
import dataclasses
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gateway import storage
from gateway.exchanges.checkpoints import Checkpoints, LogInconsistent, signer_for
from gateway.exchanges.entry import DAY_MS, Entry
from gateway.exchanges.retention import Retention
from gateway.exchanges.seal import Seal
from gateway.exchanges.verification import Fault, Report, Verification
from gateway.exchanges.writer import Writer
from gateway.purposes import Purpose, read_purpose
from servicekit import merkle, migrate
from servicekit.database import Database
from servicekit.note import NoteInvalid, Signer, open_checkpoint
from tests.gateway.harness import in_loop
from tests.support.clock import FakeClock

SEAL = Seal(b"l" * 32)
SIGNER = signer_for("http://localhost:8000", "", b"l" * 32)
AT_MS = 1_772_514_000_000


def entry(name: str, **changes: Any) -> Entry:
    made = Entry(exchange=name, at_ms=AT_MS, trace="t" * 32, method="GET", route="/x", status=200)
    return dataclasses.replace(made, **changes)


def append(log: Database, count: int, first: int = 0, **changes: Any) -> None:
    with log.transaction() as session:
        storage.append_exchanges(
            session, [SEAL.row(entry(f"e{n}", **changes)) for n in range(first, first + count)]
        )


def heads(log: Database, clock: FakeClock | None = None) -> Checkpoints:
    return Checkpoints(log, SIGNER, clock or FakeClock())


def verify(log: Database, **options: int) -> Report:
    checkpoints = heads(log)
    _, head = checkpoints.to_check_against()
    with log.snapshot() as session:
        return Verification(session, SEAL, checkpoints).of_all(head, **options)


def unguarded(log: Database, statement: str, **values: Any) -> None:
    """Change the database as someone would who owns it and takes the triggers away."""
    is_sqlite = log.engine.dialect.name == "sqlite"
    with log.engine.begin() as connection:
        if is_sqlite:
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type='trigger'"))
            for (name,) in list(names):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement), values)
        if not is_sqlite:
            connection.execute(text("SET session_replication_role = origin"))


@pytest.fixture
def log(database: Database) -> Database:
    migrate.upgrade("gateway", database)
    return database


def test_every_entry_is_proved_against_a_signed_head(log: Database) -> None:
    for first in range(0, 600, 150):
        append(log, 150, first, subject="person-1", acting="officer-1")
    written, head = heads(log).latest()
    assert open_checkpoint(written, "localhost:8000/exchanges", [SIGNER.verifier]) == head
    assert head.size == 600
    with log.snapshot() as session:
        rows = storage.list_exchanges(session, limit=600, after=0)
        read = storage.read_hashes(session, 600)
        for row in rows[::37]:
            index = row["number"] - 1
            path = merkle.inclusion_path(index, 600, read)
            leaf = merkle.leaf_hash(storage.canonical(row).encode())
            assert merkle.verify_inclusion(leaf, index, 600, path, head.root)
    assert verify(log) == Report(entries=600)


def test_a_leaf_holds_persons_as_commitments_only(log: Database) -> None:
    append(log, 1, subject="person-1", acting="officer-1", role="fisheries:officer")
    with log.snapshot() as session:
        [row] = storage.list_exchanges(session, limit=1)
    leaf = storage.canonical(row)
    assert "person-1" not in leaf
    assert "officer-1" not in leaf
    assert json.loads(leaf)["role"] == "fisheries:officer"
    salt, subject = SEAL.open_salted(row["subject_sealed"], "e0")
    assert subject == "person-1"
    committed = storage.commitment(salt, "subject", subject).hex()
    assert json.loads(leaf)["subject_commitment"] == committed
    again = SEAL.row(entry("e0", subject="person-1"))
    assert again["subject_commitment"].hex() != committed, "two entries cannot be told to be alike"


def test_heads_only_grow(log: Database) -> None:
    clock = FakeClock()
    checkpoints, seen = heads(log, clock), []
    for first in range(0, 40, 8):
        append(log, 8, first)
        clock.advance(seconds=5)
        seen.append(checkpoints.latest()[1])
    with log.snapshot() as session:
        assert storage.checkpoint_sizes(session) == [8, 16, 24, 32, 40]
        for old, new in itertools.pairwise(seen):
            path = merkle.consistency_path(
                old.size, new.size, storage.read_hashes(session, new.size)
            )
            assert merkle.verify_consistency(old.size, new.size, path, old.root, new.root)


def test_whoever_asks_often_gets_the_same_head(log: Database) -> None:
    clock = FakeClock()
    checkpoints = heads(log, clock)
    append(log, 1)
    first = checkpoints.latest()
    append(log, 1, 1)
    assert checkpoints.latest() == first
    assert checkpoints.latest(at_least=2)[1].size == 2
    clock.advance(seconds=2)
    append(log, 1, 2)
    assert checkpoints.latest()[1].size == 3


def test_the_head_of_an_empty_log_is_signed_too(log: Database) -> None:
    assert heads(log).latest()[1].root == merkle.EMPTY_ROOT
    append(log, 3)
    assert verify(log) == Report(entries=3)


CHANGES: list[tuple[str, str]] = [
    ("UPDATE exchanges SET status = 404 WHERE number = 300", "changed"),
    ("UPDATE exchanges SET purpose = 'other' WHERE number = 300", "changed"),
    ("UPDATE exchanges SET subject_sealed = NULL WHERE number = 300", "changed"),
    ("UPDATE exchanges SET subject_index = acting_commitment WHERE number = 300", "changed"),
    ("DELETE FROM exchanges WHERE number = 300", "deleted"),
    ("DELETE FROM log_hashes WHERE level = 0 AND place = 299", "leaf missing"),
]


@pytest.mark.parametrize(("statement", "fault"), CHANGES)
def test_the_first_entry_that_was_changed_or_deleted_is_named(
    log: Database, statement: str, fault: str
) -> None:
    append(log, 310, subject="person-1", acting="officer-1")
    heads(log).latest()
    unguarded(log, statement)
    found = verify(log).fault
    assert found is not None
    assert (found.first, found.last, found.fault) == (300, 300, fault)


def test_hashes_that_were_changed_with_the_entry_are_found_by_the_head(log: Database) -> None:
    append(log, 310)
    heads(log).latest()
    unguarded(log, "UPDATE exchanges SET status = 404 WHERE number = 300")
    with log.snapshot() as session:
        row = storage.list_exchanges(session, limit=1, before=301)[0]
    unguarded(
        log,
        "UPDATE log_hashes SET hash = :hash WHERE level = 0 AND place = 299",
        hash=storage.hash_of(row),
    )
    found = verify(log).fault
    assert found is not None
    assert found.first <= 300 <= found.last
    assert found.fault == "rewritten since a head was signed"


@pytest.mark.parametrize("level", [8, 16])
def test_hashes_above_the_leaves_are_compared_too(sqlite: Database, level: int) -> None:
    migrate.upgrade("gateway", sqlite)
    size = 300 if level == 8 else 256 * 256 + 1
    with sqlite.transaction() as session:
        rows = [SEAL.row(entry(f"e{n}")) for n in range(size if level == 8 else 1)]
        storage.append_exchanges(session, rows)
        if level == 16:  # the leaves are enough: their content was let go
            leaves = [merkle.leaf_hash(n.to_bytes(4)) for n in range(size - 1)]
            storage.grow_tree(session, *storage.tree_state(session), leaves)
            session.execute(text("UPDATE log_hashes SET erasure = 1 WHERE level = 0 AND place > 0"))
    assert verify(sqlite, limit=100_000).fault is None
    unguarded(sqlite, f"UPDATE log_hashes SET hash = zeroblob(32) WHERE level = {level}")
    found = verify(sqlite, limit=100_000).fault
    assert found == Fault(1, 2**level, "hashes changed")


def test_a_log_rewritten_whole_does_not_get_past_its_heads(log: Database) -> None:
    clock = FakeClock()
    for first in (0, 10, 20):
        append(log, 10, first)
        heads(log, clock).latest(fresh_ms=0)
    for table in ("exchanges", "log_hashes", "log_tree"):
        unguarded(log, f"DELETE FROM {table}")
    append(log, 15)  # the same begin,
    append(log, 20, 100)  # then another story
    clock.advance(hours=1)
    with pytest.raises(LogInconsistent):
        heads(log, clock).latest()
    found = verify(log).fault
    assert found == Fault(11, 20, "rewritten since a head was signed")
    with log.snapshot() as session:
        assert storage.checkpoint_sizes(session) == [10, 20, 30], "nothing was signed over it"


def test_a_smaller_log_is_not_signed(log: Database) -> None:
    clock = FakeClock()
    append(log, 10)
    heads(log, clock).latest()
    for table in ("exchanges", "log_hashes", "log_tree"):
        unguarded(log, f"DELETE FROM {table}")
    append(log, 4)
    clock.advance(hours=1)
    with pytest.raises(LogInconsistent):
        heads(log, clock).latest()
    found = verify(log).fault
    assert found is not None
    assert found.first <= 5


def test_a_head_that_was_changed_is_not_believed(log: Database) -> None:
    append(log, 10)
    written, head = heads(log).latest()
    unguarded(log, "UPDATE log_checkpoints SET note = :note", note=written.replace("10\n", "11\n"))
    with pytest.raises(NoteInvalid):
        heads(log).kept_head(written.replace("10\n", "11\n"))
    append(log, 1, 10)
    with pytest.raises(LogInconsistent):
        heads(log, FakeClock(datetime(2030, 1, 1, tzinfo=UTC))).latest()
    assert head.size == 10


GUARDED = [
    "UPDATE exchanges SET status = 1", "DELETE FROM exchanges",
    "UPDATE log_hashes SET hash = 'x'", "UPDATE log_hashes SET erasure = NULL",
    "UPDATE log_hashes SET place = place + 1000, erasure = 1", "DELETE FROM log_hashes",
    "UPDATE log_tree SET size = size - 1", "UPDATE log_tree SET begins_after = 5",
    "DELETE FROM log_tree", "UPDATE log_checkpoints SET at_ms = 0", "DELETE FROM log_checkpoints",
    "UPDATE log_erasures SET entries = 0", "DELETE FROM log_erasures",
]  # fmt: skip


@pytest.mark.parametrize("made", ["by migrations", "by the models"])
def test_the_engine_itself_refuses_to_rewrite(database: Database, made: str) -> None:
    if made == "by migrations":
        migrate.upgrade("gateway", database)
    else:
        storage.metadata.create_all(database.engine)
    append(database, 3)
    heads(database).latest()
    with database.transaction() as session:
        storage.erase(session, "a test", AT_MS, limit=1)
    truncate = [] if database.engine.dialect.name == "sqlite" else ["TRUNCATE exchanges"]
    for statement in (*GUARDED, *truncate):
        if "hash = 'x'" in statement and database.engine.dialect.name != "sqlite":
            statement = "UPDATE log_hashes SET hash = '\\x00'"
        with pytest.raises(DatabaseError, match="append-only"), database.engine.begin() as raw:
            raw.exec_driver_sql(statement)
    assert verify(database) == Report(entries=2, erased=1)


def test_what_is_let_go_leaves_every_proof_true(log: Database) -> None:
    clock = FakeClock(datetime.fromtimestamp(AT_MS / 1000, UTC) + timedelta(days=31))
    append(log, 300, subject="person-1", personal="read")
    append(log, 300, 300)
    append(log, 10, 600, at_ms=AT_MS + 20 * DAY_MS)
    written, head = heads(log, clock).latest()
    retention = Retention(log, clock, personal_days=365, ordinary_days=30)
    assert retention.let_go() == 300
    assert retention.let_go() == 0
    assert verify(log) == Report(entries=310, erased=300)
    with log.snapshot() as session:
        assert storage.erased_count(session) == 300
        [erasure] = storage.erasures(session)
        assert (erasure["reason"], erasure["entries"]) == ("older than 30 days", 300)
        read = storage.read_hashes(session, head.size)
        assert merkle.root_at(head.size, read) == head.root
    clock.advance(days=365)
    assert retention.let_go() == 310
    assert verify(log) == Report(erased=610)
    append(log, 5, 700)
    assert verify(log) == Report(entries=5, erased=610)
    assert open_checkpoint(written, head.origin, [SIGNER.verifier]) == head


def test_nothing_is_let_go_where_no_time_is_set(log: Database) -> None:
    append(log, 3)
    clock = FakeClock(datetime(2100, 1, 1, tzinfo=UTC))
    assert Retention(log, clock, personal_days=0, ordinary_days=0).let_go() == 0


def test_long_logs_are_verified_in_parts(log: Database) -> None:
    append(log, 700)
    first = verify(log, limit=256)
    assert (first.entries, first.next) == (256, 256)
    second = verify(log, after=256, limit=256)
    assert (second.entries, second.next) == (256, 512)
    assert verify(log, after=512, limit=256) == Report(entries=188)


def test_entries_from_before_the_tree_stay_outside_it(database: Database) -> None:
    migrate.upgrade("gateway", database)
    unguarded(database, "UPDATE log_tree SET begins_after = 7")
    append(database, 3)
    with database.snapshot() as session:
        assert [row["number"] for row in storage.list_exchanges(session, limit=9)] == [10, 9, 8]
    assert verify(database) == Report(entries=3)
    with database.transaction() as session:
        storage.erase(session, "a test", AT_MS)
    assert verify(database) == Report(erased=3)


@in_loop
async def test_several_writers_grow_one_tree(log: Database) -> None:
    writers = [Writer(log, SEAL, flush_every_s=0.002) for _ in range(3)]
    for writer in writers:
        await writer.start()
    for n in range(120):
        writers[n % 3].add(entry(f"w{n}", subject=f"p{n % 5}"))
        if n % 30 == 0:
            await writers[n % 3].add_durably(entry(f"d{n}"))
            await asyncio.to_thread(heads(log, FakeClock()).latest)
    for writer in writers:
        await writer.stop()
    assert verify(log) == Report(entries=124)


def test_a_purpose_may_delay_what_the_person_sees() -> None:
    made = entry("a")
    made.take_purpose(Purpose("investigation", {"en": "x", "dv": "x"}, frozenset({"own"}), 90))
    assert made.disclose_at_ms == AT_MS + 90 * DAY_MS
    made = entry("b")
    made.take_purpose(Purpose("own-data", {"en": "x", "dv": "x"}, frozenset({"own"})))
    assert (made.purpose, made.disclose_at_ms) == ("own-data", None)


@pytest.mark.parametrize(
    ("bases", "days"),
    [(["consent"], 30), (["own"], 1), (["statute:x", "own"], 5), (["statute:x"], -1),
     (["statute:x"], "soon"), (["statute:x"], True), (["statute:x"], 1.5)],
)  # fmt: skip
def test_only_a_law_may_delay_it(bases: list[str], days: Any) -> None:
    line = {"title": {"en": "x", "dv": "x"}, "bases": bases, "disclose_after_days": days}
    with pytest.raises(ValueError, match="disclose_after_days"):
        read_purpose("inquiry", line)
    good = read_purpose("inquiry", line | {"bases": ["statute:x"], "disclose_after_days": 90})
    assert good.disclose_after_days == 90


def test_the_key_is_the_one_made_at_setup_or_follows_from_the_logs() -> None:
    made = Signer.generate("anything")
    signer = signer_for("https://gov.example", made.private_text(), b"l" * 32)
    assert (signer.name, signer.seed) == ("gov.example/exchanges", made.seed)
    assert signer_for("https://gov.example", "", b"l" * 32).seed == SIGNER.seed != made.seed
    assert base64.b64encode(SIGNER.seed).decode() not in str(SIGNER.verifier)


def test_old_seals_without_a_salt_still_open() -> None:
    nonce = b"n" * 12
    sealed = nonce + SEAL._cipher.encrypt(nonce, b"person-1", b"old")
    assert SEAL.open(sealed, "old") == "person-1"
    assert SEAL.open_salted(sealed, "old")[0] == b""


Broken = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "broken",
    [
        lambda row: row | {"subject_commitment": None},
        lambda row: row | {"subject_sealed": b"x" * 40},
        lambda row: row | {"acting_sealed": row["subject_sealed"]},
        lambda row: row | {"exchange": "other"},
        lambda row: row | {"subject_index": b"x" * 32},
    ],
)
def test_a_person_who_was_exchanged_is_noticed(broken: Broken) -> None:
    row = SEAL.row(entry("a", subject="person-1", acting="officer-1"))
    assert SEAL.holds(row)
    assert not SEAL.holds(broken(row))
