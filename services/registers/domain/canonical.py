"""Canonical JSON of version 1 and the hash that identifies an item (specification v1, item)."""

import hashlib
import json
import re

_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def item_json(value: object) -> str:
    """Write canonical JSON: sorted keys, no spaces, every character as itself.

    Control characters without a short escape are ``\\u00XX`` with upper-case digits.
    """
    text = _encode(value)
    return _ESCAPE.sub(_upper, text) if "\\u" in text else text


def item_hash(content: str) -> bytes:
    """Return the SHA-256 digest of an item in canonical JSON."""
    return hashlib.sha256(content.encode()).digest()


def write_hash(digest: bytes) -> str:
    """Write a digest as version 1 does: ``sha-256:`` and 64 hexadecimal digits."""
    return f"sha-256:{digest.hex()}"


def read_hash(text: str) -> bytes | None:
    """Read a hash as ``write_hash`` writes it; None for any other text."""
    if re.fullmatch(r"sha-256:[0-9a-f]{64}", text) is None:
        return None
    return bytes.fromhex(text[8:])


def _upper(match: re.Match[str]) -> str:
    return f"\\u{match[1].upper()}" if match[1] else match[0]
