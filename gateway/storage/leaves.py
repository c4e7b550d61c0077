"""An entry as the tree of the exchange log holds it: one canonical text, and its hash.

Persons stand in it as commitments only, so that forgetting an entry's content leaves a hash that
says nothing, and every proof made of it stays true.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson

from servicekit.merkle import leaf_hash

FIELDS = (
    "at_ms", "basis", "caller", "categories", "consent", "disclose_at_ms", "duration_us",
    "exchange", "method", "number", "outcome", "parameters", "personal", "purpose", "reason",
    "role", "route", "sentence", "service", "size_bytes", "status", "trace",
)  # fmt: skip
HIDDEN = ("acting_commitment", "subject_commitment", "subject_index")
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode


def canonical(row: Mapping[str, Any]) -> str:
    """Return the text of a stored entry: JSON, members sorted, ASCII, no spaces."""
    content = {field: row[field] for field in FIELDS}
    content |= {name: row[name].hex() if row[name] else None for name in HIDDEN}
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a character
        return _encode(content)
    return text.decode() if text.isascii() else _encode(content)  # the same, six times as fast


def hash_of(row: Mapping[str, Any]) -> bytes:
    """Return the leaf hash (32 bytes) of a stored entry."""
    return leaf_hash(canonical(row).encode())


def commitment(salt: bytes, name: str, value: str) -> bytes:
    """Bind to a value that is not shown: SHA-256 over salt (16 bytes), name, zero byte, value."""
    return hashlib.sha256(salt + name.encode() + b"\0" + value.encode()).digest()
