"""Whose data it was, kept unreadable: encrypted, with a keyed index to find one's own entries."""

import dataclasses
import hashlib
import hmac
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.exchanges.entry import Entry

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2


class Seal:
    """Encrypts subjects with AES-GCM, each bound to its own log entry."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(key, b"exchange log: subject", hashlib.sha256))
        self._index_key = hmac.digest(key, b"exchange log: index", hashlib.sha256)

    def close(self, subject: str, exchange: str) -> bytes:
        """Encrypt a subject for the entry with this id."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, subject.encode(), exchange.encode())

    def open(self, sealed: bytes, exchange: str) -> str:
        """Decrypt the subject of the entry with this id; raises InvalidTag when it was moved."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, text, exchange.encode()).decode()

    def index(self, subject: str) -> bytes:
        """Return the 32 bytes under which all entries about a subject are found."""
        return hmac.digest(self._index_key, subject.encode(), hashlib.sha256)

    def row(self, entry: Entry) -> dict[str, Any]:
        """Return an entry as it is stored: without the subject itself."""
        row = {field: getattr(entry, field) for field in _STORED}
        subject = entry.subject
        row["categories"] = list(entry.categories)
        row["subject_sealed"] = self.close(subject, entry.exchange) if subject else None
        row["subject_index"] = self.index(subject) if subject else None
        return row


_STORED = [field.name for field in dataclasses.fields(Entry) if field.name != "subject"]
