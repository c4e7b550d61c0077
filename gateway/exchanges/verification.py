"""Is the log what it was? Compares entries, leaves and signed heads, and names the first fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from gateway import storage
from gateway.exchanges.checkpoints import Checkpoints
from gateway.exchanges.seal import Seal
from servicekit import merkle
from servicekit.note import Checkpoint, NoteInvalid

BLOCK = merkle.TILE_WIDTH


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong: between which entries, and what."""

    first: int
    last: int
    fault: str
    exchange: str | None = None


@dataclass
class Report:
    """What was looked at and found."""

    entries: int = 0
    erased: int = 0
    fault: Fault | None = None
    next: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as members for JSON."""
        fault = self.fault
        return {
            "sound": fault is None,
            "entries": self.entries,
            "erased": self.erased,
            "first_fault": None
            if fault is None
            else {
                "number": fault.first,
                "up_to": fault.last,
                "exchange": fault.exchange,
                "fault": fault.fault,
            },
            "next": self.next,
        }


class Verification:
    """Checks the log against a signed head; each entry's number is its leaf's index + 1."""

    def __init__(self, session: Session, seal: Seal, checkpoints: Checkpoints) -> None:
        self._session, self._seal, self._checkpoints = session, seal, checkpoints
        _, _, self._begins_after = storage.tree_state(session)

    def of_all(self, head: Checkpoint, *, after: int = 0, limit: int = 50_000) -> Report:
        """Check the entries with numbers above ``after``, about ``limit`` of them.

        Each entry is compared with its leaf and each block of leaves with the hash above it, in
        order, so that the first fault found is the lowest; then the tree with the signed heads.
        """
        report = Report()
        begin = max(0, after - self._begins_after) // BLOCK * BLOCK
        end = min(head.size, begin + max(BLOCK, limit))
        for first in range(begin, end, BLOCK):
            report.fault = self._block(first, min(first + BLOCK, head.size), report)
            if report.fault is not None:
                return report
        if begin == 0:
            report.fault = self._upper(head.size) or self._heads(head)
        if report.fault is None and end < head.size:
            report.next = self._begins_after + end
        return report

    def of_some(self, rows: Sequence[Mapping[str, Any]], head: Checkpoint) -> Report:
        """Check only these entries: each against its leaf, and that leaf against the head."""
        report, read = Report(), storage.read_hashes(self._session, head.size)
        for row in rows:
            index, number = row["number"] - 1 - self._begins_after, row["number"]
            if index < 0 or index >= head.size:
                continue  # older than the tree, or newer than its head
            report.entries += 1
            leaf = storage.leaves_between(self._session, index, index + 1).get(index)
            if leaf is None or storage.hash_of(row) != leaf[0] or not self._seal.holds(row):
                report.fault = Fault(number, number, "changed", row["exchange"])
                return report
            if not self._is_in(leaf[0], index, head, read):
                report.fault = Fault(number, number, "not in the signed head", row["exchange"])
                return report
        return report

    def _block(self, first: int, end: int, report: Report) -> Fault | None:
        """Compare up to 256 entries with their leaves, and a full block with the hash above it."""
        leaves = storage.leaves_between(self._session, first, end)
        found = storage.list_exchanges(
            self._session, limit=BLOCK + 1, after=self._begins_after + first,
            before=self._begins_after + end + 1,
        )  # fmt: skip
        rows = {row["number"] - 1 - self._begins_after: row for row in found}
        for index in range(first, end):
            number, row = self._begins_after + index + 1, rows.get(index)
            if index not in leaves:
                return Fault(number, number, "leaf missing", row["exchange"] if row else None)
            leaf, erasure = leaves[index]
            if row is None and erasure is None:
                return Fault(number, number, "deleted")
            if row is None:
                report.erased += 1
                continue
            report.entries += 1
            if storage.hash_of(row) != leaf or not self._seal.holds(row):
                return Fault(number, number, "changed", row["exchange"])
        if end - first < BLOCK:
            return None
        above = storage.hashes_between(self._session, 1, first // BLOCK, first // BLOCK + 1)
        if merkle.root([leaves[index][0] for index in range(first, end)]) in above:
            return None
        return Fault(self._begins_after + first + 1, self._begins_after + end, "hashes changed")

    def _upper(self, size: int) -> Fault | None:
        """Compare the stored hashes above the blocks with those above them."""
        tile, width = 1, BLOCK * BLOCK
        while size >= width:
            for index in range(size // width):
                below = storage.hashes_between(
                    self._session, tile, index * BLOCK, (index + 1) * BLOCK
                )
                if merkle.root(below) not in storage.hashes_between(
                    self._session, tile + 1, index, index + 1
                ):
                    first = self._begins_after + index * width
                    return Fault(first + 1, first + width, "hashes changed")
            tile, width = tile + 1, width * BLOCK
        return None

    def _is_in(self, leaf: bytes, index: int, head: Checkpoint, read: merkle.HashReader) -> bool:
        try:
            path = merkle.inclusion_path(index, head.size, read)
        except ValueError:
            return False
        return merkle.verify_inclusion(leaf, index, head.size, path, head.root)

    def _heads(self, head: Checkpoint) -> Fault | None:
        """Find the first signed head that the tree of today does not grow out of.

        Each head was signed after it was found to grow out of the one before, so halving finds it.
        """
        sizes = storage.checkpoint_sizes(self._session, head.size)
        if not sizes or self._grew(sizes[-1], head):
            return None
        good, bad = -1, len(sizes) - 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._grew(sizes[middle], head) else (good, middle)
        below = sizes[good] if good >= 0 else 0
        return Fault(
            self._begins_after + below + 1,
            self._begins_after + max(sizes[bad], below + 1),
            "rewritten since a head was signed",
        )

    def _grew(self, size: int, head: Checkpoint) -> bool:
        """Whether the hashes of today still lead to a head signed earlier."""
        [(_, _, text)] = storage.checkpoints(self._session, size - 1, 1)
        try:
            old = self._checkpoints.kept_head(text)
            today = merkle.root_at(size, storage.read_hashes(self._session, head.size))
        except (NoteInvalid, ValueError):
            return False
        return (old.size, old.root) == (size, today)
