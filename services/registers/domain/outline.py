"""What an RSF file is about, found in one quick look before it is read in full."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.registers.domain import rsf
from services.registers.domain.rsf import AddItem, AppendEntry

MAX_SYSTEM_ENTRIES = 100_000
_SYSTEM = b"append-entry\tsystem\t"
_ADD = b"add-item\t"


@dataclass
class Outline:
    """The system entries of a file with what their items say, and how long it is.

    proved_until: the line of its last assertion; what stands before it is a log that somebody
    published, and whose root anyone can check.
    """

    declared: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    items: int = 0
    entries: int = 0
    asserts: int = 0
    started: int | None = None
    proved_until: int = 0


def look(lines: Iterable[bytes], again: Iterable[bytes]) -> Outline:
    """Look through a file twice, without judging it: ``rsf.parse`` finds the faults."""
    outline, system = Outline(), list[AppendEntry]()
    for number, raw in enumerate(lines, start=1):
        if raw.startswith(_ADD):
            outline.items += 1
        elif raw.startswith(b"append-entry\t"):
            outline.entries += 1
            of_system = raw.startswith(_SYSTEM) and len(system) < MAX_SYSTEM_ENTRIES
            entry = _entry(raw) if of_system or outline.started is None else None
            if entry and outline.started is None:
                outline.started = entry.at
            if entry and of_system:
                system.append(entry)
        elif raw.startswith(b"assert-root-hash\t"):
            outline.asserts += 1
            outline.proved_until = number
    items = _items({entry.item_hash for entry in system}, again)
    outline.declared = [
        (entry.key, items[entry.item_hash]) for entry in system if entry.item_hash in items
    ]
    return outline


def _entry(raw: bytes) -> AppendEntry | None:
    try:
        command = next(rsf.parse([raw]), None)
    except rsf.Faulty:
        return None
    return command if isinstance(command, AppendEntry) else None


def _items(wanted: set[bytes], lines: Iterable[bytes]) -> dict[bytes, dict[str, object]]:
    found: dict[bytes, dict[str, object]] = {}
    for raw in lines:
        if len(found) == len(wanted):
            break
        if not raw.startswith(_ADD):
            continue
        digest = hashlib.sha256(raw.rstrip(b"\r\n")[len(_ADD) :]).digest()
        if digest not in wanted or digest in found:
            continue
        try:
            command = next(rsf.parse([raw]))
        except rsf.Faulty:
            continue
        if isinstance(command, AddItem):
            found[digest] = command.values
    return found
