"""Hashes of blobs and entries (objecthash, as specification v2 narrows it); SHA-256 throughout."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

MULTIHASH = b"\x12\x20"  # sha2-256, 32 bytes: every hash is written with this in front
REDACTED = "**REDACTED**"
_REDACTED = re.compile(r"\*\*REDACTED\*\*(?:1220)?([0-9a-f]{64})")


def multihash(digest: bytes) -> str:
    """Write a digest as the specification does: ``1220`` and 64 hexadecimal digits."""
    return (MULTIHASH + digest).hex()


def digest_of(text: str) -> bytes | None:
    """Read a multihash as ``multihash`` writes it; None for any other text."""
    if re.fullmatch(r"1220[0-9a-f]{64}", text) is None:
        return None
    return bytes.fromhex(text[4:])


def hash_text(text: str) -> bytes:
    """Hash a text in Unicode normal form C (tag ``u``)."""
    return _tagged(b"u", unicodedata.normalize("NFC", text).encode())


def hash_integer(number: int) -> bytes:
    """Hash an integer by its decimal digits (tag ``i``)."""
    return _tagged(b"i", str(number).encode())


def hash_timestamp(timestamp: str) -> bytes:
    """Hash a timestamp by its RFC 3339 text (tag ``t``)."""
    return _tagged(b"t", timestamp.encode())


def hash_raw(data: bytes) -> bytes:
    """Hash bytes as they are (tag ``r``)."""
    return _tagged(b"r", data)


def hash_list(elements: Iterable[bytes]) -> bytes:
    """Hash the hashes of a list's elements in their order (tag ``l``)."""
    return _tagged(b"l", b"".join(elements))


def hash_set(elements: Iterable[bytes]) -> bytes:
    """Hash the hashes of a set's elements, sorted as bytes (tag ``s``)."""
    return _tagged(b"s", b"".join(sorted(elements)))


def blob_hash(blob: Mapping[str, str | Sequence[str | None] | None]) -> bytes:
    """Return the digest that identifies a blob (specification v2, blob; tag ``d``).

    Empty values vanish. A value that was redacted stands for its own hash, with or without the
    multihash prefix, so that redaction keeps the identifier.
    """
    pairs = []
    for name, given in blob.items():
        if given.__class__ is str and given.isascii() and given[:2] != "**":
            # most values: their normal form is themselves
            value = hashlib.sha256(b"u" + given.encode()).digest() if given else None
        else:
            value = _value_hash(given)
        if value is not None:
            pairs.append(_field_name_hash(name) + value)
    pairs.sort()
    return hashlib.sha256(b"d" + b"".join(pairs)).digest()


def entry_hash(number: int, key: str, timestamp: str, blob_digest: bytes) -> bytes:
    """Return the digest of an entry (specification v2, entry): the leaf content of the tree."""
    return hash_list(
        (
            hash_integer(number),
            hash_text(key),
            hash_timestamp(timestamp),
            hash_raw(MULTIHASH + blob_digest),
        )
    )


def _value_hash(value: str | Sequence[str | None] | None) -> bytes | None:
    if not value:
        return None
    if isinstance(value, str):
        redacted = _REDACTED.fullmatch(value)
        return bytes.fromhex(redacted[1]) if redacted else hash_text(value)
    elements = [hash_text(element) for element in value if element]
    return hash_set(elements) if elements else None


def _tagged(tag: bytes, data: bytes) -> bytes:
    return hashlib.sha256(tag + data).digest()


@lru_cache(maxsize=1024)
def _field_name_hash(name: str) -> bytes:
    return hash_text(name)
