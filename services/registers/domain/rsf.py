"""The register serialisation format: one command a line, read as a stream (section 1.6).

What a line says is checked here; what the commands mean for a log is the loader's.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from services.registers.domain import canonical, keys, moments
from services.registers.domain.canonical import write_hash

MEDIA_TYPE = "application/uk-gov-rsf"
MAX_LINE_BYTES = 1024 * 1024
MAX_SYSTEM_KEY_LENGTH = 255
Log = Literal["user", "system"]
_HASH = re.compile(r"sha-256:([0-9a-f]{64})")
_HASHES = re.compile(r"sha-256:[0-9a-f]{64}(?:;sha-256:[0-9a-f]{64})+")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class AddItem:
    """``add-item``: canonical JSON, its SHA-256 digest and what it says."""

    line: int
    content: str
    item_hash: bytes
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """``append-entry``: the next entry of a log; at: seconds since 1970."""

    line: int
    log: Log
    key: str
    at: int
    item_hash: bytes


@dataclass(frozen=True, slots=True)
class AssertRoot:
    """``assert-root-hash``: the root that the version 1 tree of the user log must have here."""

    line: int
    root: bytes


Command = AddItem | AppendEntry | AssertRoot


class Faulty(Exception):
    """A file breaks a rule: where, in which command, and why."""

    def __init__(self, line: int, command: str, reason: str) -> None:
        super().__init__(f"line {line}, {command}: {reason}")
        self.line, self.command, self.reason = line, command, reason


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Read a file line by line from its beginning, no more than one line at a time."""
    file.seek(0)
    while line := file.readline(MAX_LINE_BYTES + 3):
        yield line


def parse(lines: Iterable[bytes]) -> Iterator[Command]:
    """Read commands one by one; lines end in LF or CR LF. Raises Faulty at the first fault."""
    empty = 0
    for number, raw in enumerate(lines, start=1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            empty = empty or number
            continue
        if empty:
            raise Faulty(empty, "no command", "An empty line may only end the file.")
        if len(line) > MAX_LINE_BYTES:
            raise Faulty(number, "no command", f"The line is longer than {MAX_LINE_BYTES:,} bytes.")
        command, _, rest = line.partition(b"\t")
        read = _READERS.get(command)
        if read is None:
            name = command[:40].decode("utf-8", "replace")
            raise Faulty(
                number,
                name,
                "This command is unknown. There are add-item, append-entry and "
                "assert-root-hash, each with tabs between its parts.",
            )
        try:
            yield read(number, rest.decode())
        except UnicodeDecodeError:
            raise Faulty(number, command.decode(), "The line is not UTF-8.") from None


def _add_item(line: int, text: str) -> AddItem:
    try:
        values = _decode(text)
        content = canonical.item_json(values)
        data = text.encode()
    except (ValueError, RecursionError) as fault:
        raise Faulty(line, "add-item", f"This is not JSON: {fault}.") from None
    if not isinstance(values, dict):
        raise Faulty(line, "add-item", "An item is a JSON object.")
    if content != text:
        raise Faulty(line, "add-item", f"The JSON is not canonical. Write {_short(content)}.")
    for name, value in values.items():
        if type(value) is str:  # nearly all are
            continue
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Faulty(
                line, "add-item", f"The value of {_short(name)} is not a string or a list of them."
            )
    return AddItem(line, content, hashlib.sha256(data).digest(), values)


def _append_entry(line: int, text: str) -> AppendEntry:
    parts = text.split("\t")
    if len(parts) != 4:
        raise Faulty(
            line,
            "append-entry",
            f"It takes 4 parts (user or system, key, timestamp, item hash); {len(parts)} came.",
        )
    log, key, timestamp, item = parts
    if log not in ("user", "system"):
        raise Faulty(line, "append-entry", f"An entry is user or system, not {_short(log)}.")
    if log == "user" and not keys.is_key(key):
        raise Faulty(line, "append-entry", f"{_short(key)} cannot be a key. {keys.KEY_RULE}")
    if log == "system" and (
        not key or len(key) > MAX_SYSTEM_KEY_LENGTH or _CONTROL.search(key) is not None
    ):
        raise Faulty(
            line,
            "append-entry",
            f"A system key has 1 to {MAX_SYSTEM_KEY_LENGTH} characters, none a control character.",
        )
    at = moments.read(timestamp)
    if at is None:
        raise Faulty(
            line, "append-entry", f"{_short(timestamp)} is no timestamp like 2026-03-03T10:15:00Z."
        )
    match = _HASH.fullmatch(item)
    if match is None:
        reason = (
            "An entry has one item; several belonged to an experiment that was dropped."
            if _HASHES.fullmatch(item)
            else f"{_short(item)} is no item hash: sha-256: and 64 hexadecimal digits."
        )
        raise Faulty(line, "append-entry", reason)
    return AppendEntry(
        line, "user" if log == "user" else "system", key, at, bytes.fromhex(match[1])
    )


def _assert_root(line: int, text: str) -> AssertRoot:
    match = _HASH.fullmatch(text)
    if match is None:
        raise Faulty(
            line,
            "assert-root-hash",
            f"{_short(text)} is no root hash: sha-256: and 64 hexadecimal digits.",
        )
    return AssertRoot(line, bytes.fromhex(match[1]))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode  # made once: it is half the cost
_READERS: dict[bytes, Callable[[int, str], Command]] = {
    b"add-item": _add_item,
    b"append-entry": _append_entry,
    b"assert-root-hash": _assert_root,
}


def add_item(content: str) -> str:
    """Write ``add-item`` for canonical JSON."""
    return f"add-item\t{content}\n"


def append_entry(log: Log, key: str, at: int, item_hash: bytes) -> str:
    """Write ``append-entry``."""
    return f"append-entry\t{log}\t{key}\t{moments.write(at)}\t{write_hash(item_hash)}\n"


def assert_root(root: bytes) -> str:
    """Write ``assert-root-hash``."""
    return f"assert-root-hash\t{write_hash(root)}\n"


def _short(text: str) -> str:
    shown = text if len(text) <= 120 else f"{text[:119]}…"
    return json.dumps(shown, ensure_ascii=False) if _CONTROL.search(shown) else f"“{shown}”"
