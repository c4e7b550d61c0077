"""What a load must remember of all its lines: a private file that is gone when it is closed."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from services.registers.storage import rows

Waiting = tuple[int, str]  # line and canonical JSON of an item that no entry has named yet
Latest = tuple[int, int, int, int]  # first entry, latest entry, blob, 1 when the record is older

_TABLES = """
CREATE TABLE waiting (hash BLOB PRIMARY KEY, line INT, content TEXT) WITHOUT ROWID;
CREATE TABLE item (hash BLOB PRIMARY KEY, number INT) WITHOUT ROWID;
CREATE TABLE place (kind INT, prefix INT, number INT, PRIMARY KEY (kind, prefix, number))
  WITHOUT ROWID;
CREATE TABLE latest (key TEXT PRIMARY KEY, first INT, number INT, blob INT, older INT)
  WITHOUT ROWID;
"""


class Scratch:
    """The memory of one load, kept in 64 MB and beyond that on the disk."""

    def __init__(self) -> None:
        # an empty name: SQLite makes a temporary file when its cache is full, and deletes it
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")
        self._counts = {"waiting": 0, "item": 0, "latest": 0}

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    # -- items that no entry has named yet

    def keep_waiting(self, items: Iterable[tuple[bytes, int, str]]) -> None:
        """Keep items (hash, line, content) until an entry names them."""
        statement = "INSERT OR IGNORE INTO waiting VALUES (?, ?, ?)"
        self._counts["waiting"] += self._database.executemany(statement, items).rowcount

    def take_waiting(self, hashes: Sequence[bytes]) -> dict[bytes, Waiting]:
        """Return those of the items that wait, and let them wait no longer."""
        found = {
            item_hash: (line, content)
            for item_hash, line, content in self._find("waiting", "hash", hashes)
        }
        statement = "DELETE FROM waiting WHERE hash = ?"
        self._database.executemany(statement, [(item_hash,) for item_hash in found])
        self._counts["waiting"] -= len(found)
        return found

    def first_waiting(self) -> int | None:
        """Return the line of the first item that no entry names."""
        if not self._counts["waiting"]:
            return None
        return int(self._database.execute("SELECT min(line) FROM waiting").fetchone()[0])

    # -- blobs

    def keep_blobs(self, blobs: Sequence[tuple[int, bytes, bytes, str]], prefix: Any) -> None:
        """Keep where blobs (number, hash, item_hash, content) will be found."""
        self._database.executemany(
            "INSERT INTO item VALUES (?, ?)", [(blob[2], blob[0]) for blob in blobs]
        )
        self._database.executemany(
            "INSERT INTO place VALUES (?, ?, ?)",
            [
                (kind, prefix(digest), number)
                for number, blob_hash, item_hash, _ in blobs
                for kind, digest in ((1, item_hash), (2, blob_hash))
            ],
        )
        self._counts["item"] += len(blobs)

    def numbers_of(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Return the numbers of the items among those that this load wrote."""
        return dict(self._find("item", "hash", hashes))

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Return kind, prefix and number of each new blob in the order of the index."""
        return self._walk("SELECT kind, prefix, number FROM place ORDER BY kind, prefix, number")

    # -- records

    def latest_of(self, keys: Sequence[str]) -> dict[str, Latest]:
        """Return what this load knows of records."""
        return {key: (a, b, c, d) for key, a, b, c, d in self._find("latest", "key", keys)}

    def keep_latest(self, records: dict[str, Latest]) -> None:
        """Keep the state of records."""
        statement = "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)"
        self._database.executemany(statement, [(key, *row) for key, row in records.items()])
        self._counts["latest"] += len(records)

    def records(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Return every record (key, first, number, blob, older) in the order of the keys."""
        return self._walk("SELECT key, first, number, blob, older FROM latest ORDER BY key")

    def new_records(self) -> int:
        """Return how many records there were not before."""
        query = "SELECT count(*) FROM latest WHERE older = 0"
        return int(self._database.execute(query).fetchone()[0])

    def _find(self, table: str, column: str, values: Sequence[Any]) -> Iterator[Any]:
        if not self._counts[table]:
            return
        for part in rows.chunks(values):
            marks = ",".join("?" * len(part))
            query = f"SELECT * FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 (our names)
            yield from self._database.execute(query, part)

    def _walk(self, query: str) -> Iterator[Any]:
        yield from self._database.execute(query)


def values_of(content: str) -> dict[str, Any]:
    """Read an item in canonical JSON."""
    values: dict[str, Any] = json.loads(content)
    return values
