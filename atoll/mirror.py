"""A mirror of a register: its entries in a file, and what proves that they only ever grew.

It makes the tree of version 2 again from the entries that it reads and keeps only its peaks, so
that every later head must follow from everything that was mirrored before.
"""

import hashlib
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll import home
from servicekit import merkle
from servicekit.note import Checkpoint, NoteInvalid, Verifier, open_checkpoint


class Rewritten(Exception):
    """The register shows another past than the one that was mirrored; the message says how."""


@dataclass(frozen=True)
class State:
    """What a mirror remembers between two pulls; ``length``: bytes of the entries' file."""

    url: str
    vkey: str
    size: int = 0
    peaks: tuple[bytes, ...] = ()
    length: int = 0
    checkpoint: str = ""

    def written(self) -> bytes:
        """Return the state as it is kept."""
        document = {**vars(self), "peaks": [peak.hex() for peak in self.peaks]}
        return json.dumps(document, indent=2, ensure_ascii=False).encode()

    @classmethod
    def read(cls, data: bytes) -> "State":
        """Read what ``written`` returned; raises ValueError, KeyError or TypeError."""
        document = json.loads(data)
        return cls(**document | {"peaks": tuple(map(bytes.fromhex, document["peaks"]))})


class Mirror:
    """The folder of one mirrored register: ``entries.jsonl`` and ``state.json``."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        self.entries_file, self.state_file = folder / "entries.jsonl", folder / "state.json"

    @property
    def verifier(self) -> Verifier:
        """The key that the register is known by here."""
        return Verifier.parse(self.state.vkey)

    def check(self, note: str) -> Checkpoint:
        """Return the register's head as it says now, if it can follow from what is mirrored.

        Raises Rewritten for a bad signature, a smaller log, or another head of the same size.
        """
        try:
            head = open_checkpoint(note, self.verifier.name, [self.verifier])
        except NoteInvalid as fault:
            raise Rewritten(f"Its checkpoint is not signed by the known key: {fault}.") from None
        if head.size < self.state.size:
            raise Rewritten(
                f"It has {head.size} entries now; {self.state.size} were mirrored. Entries were "
                "taken away."
            )
        if head.size == self.state.size and head.root != merkle.fold(self.state.peaks):
            raise Rewritten(f"Its {head.size} entries are not those that were mirrored.")
        return head

    def add(self, head: Checkpoint, note: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Keep the entries up to a checked head, or raise Rewritten and keep nothing of them."""
        peaks: list[bytes] = list(self.state.peaks)
        size = self.state.size
        with self.entries_file.open("ab") as file:
            file.truncate(self.state.length)  # what a pull that was cut short had written
            for entry in entries:
                if entry.get("entry-number") != size + 1:
                    raise Rewritten(f"Entry {size + 1} is missing.")
                try:
                    peaks = merkle.push(peaks, size, leaf_hash(entry))
                except (KeyError, TypeError, AttributeError, ValueError):
                    raise Rewritten(f"Entry {size + 1} is not well formed.") from None
                size += 1
                line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
                file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            length = file.tell()
        if size != head.size or merkle.fold(peaks) != head.root:
            os.truncate(self.entries_file, self.state.length)
            raise Rewritten(
                f"Entries {self.state.size + 1} to {size} do not lead from what was mirrored to "
                f"the signed head of {head.size} entries: the history was rewritten."
            )
        self.state = State(self.state.url, self.state.vkey, size, tuple(peaks), length, note)
        self.keep()

    def keep(self) -> None:
        """Write the state so that it is whole after a power cut."""
        home.write(self.state_file, self.state.written(), 0o644)


def leaf_hash(entry: Mapping[str, Any]) -> bytes:
    """Return the leaf of an entry, whose item must be the one that its blob hash names.

    Raises Rewritten when it is another.
    """
    blob = b"\x12\x20" + _item_hash(entry["item"])
    if blob.hex() != entry["blob-hash"]:
        raise Rewritten(f"The item of entry {entry['entry-number']} is not the one it names.")
    parts = (
        _tagged(b"i", str(entry["entry-number"]).encode()),
        _text_hash(entry["key"]),
        _tagged(b"t", entry["entry-timestamp"].encode()),
        _tagged(b"r", blob),
    )
    return merkle.leaf_hash(_tagged(b"l", b"".join(parts)))


def _item_hash(item: Mapping[str, Any]) -> bytes:
    pairs = []
    for name, value in item.items():
        if isinstance(value, list):
            hashes = sorted(_text_hash(each) for each in value if each)
            digest = _tagged(b"s", b"".join(hashes)) if hashes else None
        elif value.startswith("**REDACTED**"):
            digest = bytes.fromhex(value[-64:])
        else:
            digest = _text_hash(value) if value else None
        if digest is not None:
            pairs.append(_text_hash(name) + digest)
    return _tagged(b"d", b"".join(sorted(pairs)))


def _text_hash(text: str) -> bytes:
    return _tagged(b"u", unicodedata.normalize("NFC", text).encode())


def _tagged(tag: bytes, data: bytes) -> bytes:
    return hashlib.sha256(tag + data).digest()
