"""The chunks of a load: commands gathered, checked, hashed, and written beyond the head."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, select
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.database import Database
from servicekit.problems import Conflict
from services.registers.domain import leaves, moments, objecthash, rsf
from services.registers.domain.checking import Checker
from services.registers.storage import blobs, heads, rows, system
from services.registers.storage.appending import ENTRY_COLUMNS
from services.registers.storage.scratch import Latest, Scratch, values_of
from services.registers.storage.tables import Blob, Entry, Record
from services.registers.storage.trees import NUMBERS, TREES, Growth, Tree

CHUNK = 10_000  # commands
MOST_WARNINGS = 100


@dataclass(frozen=True)
class Rules:
    """How strictly a load reads: relaxed takes what old published files hold, with a warning.

    relaxed_until: up to this line of the file it is relaxed in any case.
    """

    now: int
    relaxed: bool = False
    skip_repeats: bool = False
    relaxed_until: int = 0


class Given(NamedTuple):
    """An item of the file: where it stands, its canonical JSON, and what it says."""

    line: int
    content: str
    values: dict[str, Any]


class Chunks:
    """One load under way: what it has read, and what of that is written."""

    def __init__(
        self,
        database: Database,
        register_id: int,
        name: str,
        checker: Checker,
        rules: Rules,
        progress: Callable[[int], None],
    ) -> None:
        self._database, self._register_id, self._name = database, register_id, name
        self._checker, self._rules, self._progress = checker, rules, progress
        self.scratch = Scratch()
        with self.transaction() as session:
            self.head = self._own_head(session)
            self.size, self.blobs = self.head["size"], self.head["blobs"]
            self.system_size = self.head["system_size"]
            self.growth: dict[Tree, Growth] = {
                tree: Growth.of(session, register_id, tree, self.size) for tree in TREES
            }
            said = system.entries(session, register_id)
        self._said = {row.item_hash: row.content for row in said}  # items of the system log
        self._latest_said = {row.key: row.item_hash for row in said}
        self.entries = self.skipped = 0
        self.updated = self.head["updated"] if self.size else None
        self.warnings: list[str] = []
        self._pending: dict[bytes, Given] = {}  # added, and not yet named by an entry
        self._named: dict[bytes, Given] = {}  # named by an entry of this chunk
        self._asked: list[rsf.AppendEntry] = []  # user entries of this chunk
        self._saying: list[tuple[str, int, str]] = []  # system entries of this load
        self._new_hashes: dict[bytes, bytes] = {}  # items new in this chunk: hash of version 2

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.scratch.close()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction in which this load still holds the register."""
        with self._database.transaction() as session:
            self._own_head(session)
            yield session

    def _own_head(self, session: Session) -> RowMapping:
        head = heads.lock_head(session, self._register_id)
        if head is None or head["loading"] != self._name:
            raise Conflict("The register was reset or taken back meanwhile. Load the file again.")
        return head

    # -- reading commands

    def take(self, command: rsf.Command) -> None:
        """Take the next command of the file."""
        if isinstance(command, rsf.AddItem):
            given = Given(command.line, command.content, command.values)
            self._pending.setdefault(command.item_hash, given)
            if len(self._pending) >= CHUNK:
                self._flush()
                self._spill()
        elif isinstance(command, rsf.AssertRoot):
            self._check_root(command)
        elif command.log == "system":
            self._say(command)
        else:
            given_now = self._pending.pop(command.item_hash, None)
            if given_now is not None:
                self._named[command.item_hash] = given_now
            self._asked.append(command)
            if len(self._asked) >= CHUNK:
                self._flush()

    def finish(self) -> None:
        """Write what is left; raise Faulty when an item is named by no entry."""
        self._flush()
        lines = [given.line for given in self._pending.values()]
        waiting = self.scratch.first_waiting()
        if lines or waiting is not None:
            line = min([*lines, *([] if waiting is None else [waiting])])
            self._complain(line, "add-item", "No later entry names this item.")
        if self.updated is None:
            self.updated = self.head["updated"]
        with self.transaction() as session:
            system.write(session, self._register_id, self.system_size, self._saying)
            for tree, growth in self.growth.items():
                new = [leaf for leaf in growth.open_leaves() if leaf[0] > self.head["size"]]
                rows.write_edge(session, self._register_id, NUMBERS[tree], new)
        self.system_size += len(self._saying)

    def _spill(self) -> None:
        self.scratch.keep_waiting(
            (item_hash, given.line, given.content) for item_hash, given in self._pending.items()
        )
        self._pending.clear()

    def _check_root(self, command: rsf.AssertRoot) -> None:
        self._flush()
        root = merkle.fold(self.growth["v1"].peaks())
        if root != command.root:
            raise rsf.Faulty(
                command.line,
                "assert-root-hash",
                f"The root of the {self.size} entries so far is sha-256:{root.hex()}.",
            )

    def _complain(self, line: int, command: str, reason: str) -> None:
        """Refuse the file, or warn when the rules are relaxed."""
        if not self._rules.relaxed and line > self._rules.relaxed_until:
            raise rsf.Faulty(line, command, reason)
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(f"line {line}, {command}: {reason}")

    # -- the system log

    def _say(self, command: rsf.AppendEntry) -> None:
        item_hash = command.item_hash
        given = self._pending.pop(item_hash, None)
        content = given.content if given else self._said.get(item_hash)
        if content is None and item_hash in self._named:
            content = self._named[item_hash].content
        if content is None:
            self._flush()
            content = self._content_elsewhere(item_hash)
        if content is None:
            raise _missing(command)
        if self._latest_said.get(command.key) == item_hash:
            self._complain(
                command.line, "append-entry", f"The key {command.key} has this very item already."
            )
        self._said[item_hash], self._latest_said[command.key] = content, item_hash
        self._saying.append((command.key, command.at, content))

    def _content_elsewhere(self, item_hash: bytes) -> str | None:
        waiting = self.scratch.take_waiting([item_hash])
        if waiting:
            return waiting[item_hash][1]
        with self._database.snapshot() as session:
            number = self._numbers(session, [item_hash]).get(item_hash)
            if number is None:
                return None
            return blobs.contents_of(session, self._register_id, [number])[number]

    # -- writing a chunk

    def _flush(self) -> None:
        if not self._asked:
            return
        with self.transaction() as session:
            numbers = self._resolve(session)
            latest = self._latest(session)
            entries, hashes = self._entries(session, numbers, latest)
            new = [
                (numbers[item_hash], blob_hash, item_hash, self._named[item_hash].content)
                for item_hash, blob_hash in self._new_hashes.items()
            ]
            values = [(self._register_id, *blob) for blob in new]
            rows.write(session, Blob.__table__, blobs.COLUMNS, values)
            rows.write(session, Entry.__table__, ENTRY_COLUMNS, entries)
            for tree, growth in self.growth.items():
                growth.extend(hashes[tree])
                rows.write_tiles(session, growth.take_changed(self._register_id, tree))
        self.scratch.keep_blobs(new, blobs.prefix)
        self.scratch.keep_latest(latest)
        self.size += len(entries)
        self.blobs += len(new)
        self.entries += len(entries)
        self._asked.clear()
        self._named.clear()
        self._progress(self.entries)

    def _numbers(self, session: Session, hashes: list[bytes]) -> dict[bytes, int]:
        """Return the numbers of those items that are stored already."""
        found = self.scratch.numbers_of(hashes)
        if self.head["blobs"]:
            left = [item_hash for item_hash in hashes if item_hash not in found]
            found |= blobs.numbers_of(session, self._register_id, left, self.head["blobs"])
        return found

    def _resolve(self, session: Session) -> dict[bytes, int]:
        """Return the number of every item that this chunk names; check those that are new."""
        wanted = list(dict.fromkeys(command.item_hash for command in self._asked))
        elsewhere = [item_hash for item_hash in wanted if item_hash not in self._named]
        for item_hash, (line, content) in self.scratch.take_waiting(wanted).items():
            self._named.setdefault(item_hash, Given(line, content, values_of(content)))
        numbers = self._numbers(session, wanted)
        stored = blobs.contents_of(
            session,
            self._register_id,
            [numbers[one] for one in elsewhere if one in numbers and one not in self._named],
        )
        known = {
            item_hash: values_of(stored[number])
            for item_hash, number in numbers.items()
            if number in stored
        }
        self._new_hashes = {}
        for command in self._asked:
            item_hash = command.item_hash
            given = self._named.get(item_hash)
            if given is None and item_hash in self._said:
                content = self._said[item_hash]
                given = self._named[item_hash] = Given(command.line, content, values_of(content))
            if given is not None:
                values = given.values
                if item_hash not in numbers:
                    numbers[item_hash] = self.blobs + len(self._new_hashes) + 1
                    self._new_hashes[item_hash] = objecthash.blob_hash(values)
            elif item_hash in known:
                values = known[item_hash]
            else:
                raise _missing(command)
            self._check(command, values)
        return numbers

    def _check(self, command: rsf.AppendEntry, values: dict[str, Any]) -> None:
        for fault in self._checker.faults(command.key, values):
            if fault.kind == "schema":
                raise rsf.Faulty(command.line, "append-entry", fault.sentence)
            self._complain(command.line, "append-entry", fault.sentence)
        if command.at > self._rules.now:
            self._complain(command.line, "append-entry", "The entry is dated in the future.")

    def _latest(self, session: Session) -> dict[str, Latest]:
        """Return what is known of the records of this chunk: first, number, blob, older."""
        keys = list(dict.fromkeys(command.key for command in self._asked))
        found = self.scratch.latest_of(keys)
        if self.head["records"]:
            for part in rows.chunks([key for key in keys if key not in found]):
                statement = select(Record.key, Record.first, Record.number, Record.blob).where(
                    Record.register_id == self._register_id, Record.key.in_(part)
                )
                for key, first, number, blob in session.execute(statement):
                    found[key] = (first, number, blob, 1)
        return found

    def _entries(
        self, session: Session, numbers: dict[bytes, int], latest: dict[str, Latest]
    ) -> tuple[list[tuple[int, int, int, str, int]], dict[Tree, list[bytes]]]:
        """Return the rows of the entries and their leaf hashes; bring ``latest`` up to date."""
        entries: list[tuple[int, int, int, str, int]] = []
        first_leaves: list[bytes] = []
        second_leaves: list[bytes] = []
        hashes = self._blob_hashes(session, numbers)
        number = self.size
        for command in self._asked:
            key, at, item_hash = command.key, command.at, command.item_hash
            blob = numbers[item_hash]
            record = latest.get(key)
            if record is not None and record[2] == blob:
                if self._rules.skip_repeats:
                    self.skipped += 1
                    continue
                self._complain(
                    command.line, "append-entry", f"The record {key} has this very item already."
                )
            number += 1
            latest[key] = (
                (number, number, blob, 0)
                if record is None
                else (record[0], number, blob, record[3])
            )
            entries.append((self._register_id, number, at, key, blob))
            first_leaves.append(merkle.leaf_hash(leaves.v1(number, key, at, item_hash)))
            second_leaves.append(
                merkle.leaf_hash(
                    objecthash.entry_hash(number, key, moments.write(at), hashes[blob])
                )
            )
            if self.updated is None or at > self.updated:
                self.updated = at
        return entries, {"v1": first_leaves, "v2": second_leaves}

    def _blob_hashes(self, session: Session, numbers: dict[bytes, int]) -> dict[int, bytes]:
        """Return the version 2 hash of every blob that this chunk names."""
        found = {numbers[one]: digest for one, digest in self._new_hashes.items()}
        left = [number for number in numbers.values() if number not in found]
        for part in rows.chunks(left):
            statement = select(Blob.number, Blob.hash).where(
                Blob.register_id == self._register_id, Blob.number.in_(part)
            )
            found |= dict(session.execute(statement).all())
        return found


def _missing(command: rsf.AppendEntry) -> rsf.Faulty:
    return rsf.Faulty(
        command.line,
        "append-entry",
        f"The item sha-256:{command.item_hash.hex()} is neither in the file before this line nor "
        "in the register.",
    )
