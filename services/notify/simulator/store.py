"""What simulated providers remember: which texts they took, and which receipts are still to send.

A file of its own, so that a killed simulator goes on where it was. Losing power may lose the last
moments: the companies are made up.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence

_KEPT = 200_000
_TABLES = """
CREATE TABLE IF NOT EXISTS text (
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, reference TEXT NOT NULL,
  UNIQUE (provider, reference));
CREATE TABLE IF NOT EXISTS receipt (
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, body TEXT NOT NULL);
"""
Receipt = dict[str, str]


class Store:
    """Two tables, used by the server's thread and by the one that sends."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=OFF"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_TABLES)

    def knows(self, provider: str, reference: str) -> bool:
        """Whether a provider has a text."""
        with self._lock:
            found = self._connection.execute(
                "SELECT 1 FROM text WHERE provider = ? AND reference = ?", (provider, reference)
            ).fetchone()
        return found is not None

    def take(self, provider: str, texts: Iterable[tuple[str, Sequence[Receipt]]]) -> int:
        """Remember texts (reference, receipts to send); return how many were new."""
        new = 0
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            for reference, receipts in texts:
                added = self._connection.execute(
                    "INSERT OR IGNORE INTO text (provider, reference) VALUES (?, ?)",
                    (provider, reference),
                ).rowcount
                new += added
                if added:
                    self._connection.executemany(
                        "INSERT INTO receipt (provider, body) VALUES (?, ?)",
                        [(provider, json.dumps(receipt)) for receipt in receipts],
                    )
            self._connection.execute("COMMIT")
        return new

    def waiting(self, limit: int) -> tuple[str, list[tuple[int, Receipt]]] | None:
        """Return the oldest receipts of one provider with their ids, or None."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, provider, body FROM receipt ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
        if not rows:
            return None
        provider = rows[0][1]
        return provider, [(row[0], json.loads(row[2])) for row in rows if row[1] == provider]

    def done(self, ids: Sequence[int]) -> None:
        """Forget receipts that were sent, and the oldest texts."""
        with self._lock:
            self._connection.executemany("DELETE FROM receipt WHERE id = ?", [(i,) for i in ids])
            self._connection.execute(
                "DELETE FROM text WHERE id <= (SELECT max(id) FROM text) - ?", (_KEPT,)
            )

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
