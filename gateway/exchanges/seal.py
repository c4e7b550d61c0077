"""Whose data it was, kept unreadable: encrypted, with a keyed index to find one's own entries."""

import dataclasses
import hashlib
import hmac
import secrets
from operator import attrgetter
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.exchanges.entry import Entry
from gateway.storage import commitment

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2
SALT_BYTES = 16


class Seal:
    """Encrypts persons with AES-GCM, each bound to its own log entry.

    A salt is sealed with each, so that the tree can hold a commitment that says nothing to anyone
    without it, and nothing at all once the entry's content is gone.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(key, b"exchange log: subject", hashlib.sha256))
        self._index_key = hmac.digest(key, b"exchange log: index", hashlib.sha256)

    def close(self, person: str, exchange: str, name: str = "subject", salt: bytes = b"") -> bytes:
        """Encrypt a person for the entry with this id; name: subject or acting."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        salt = salt or secrets.token_bytes(SALT_BYTES)
        return nonce + self._cipher.encrypt(nonce, salt + person.encode(), _place(exchange, name))

    def open(self, sealed: bytes, exchange: str, name: str = "subject") -> str:
        """Decrypt the person of the entry with this id; raises InvalidTag when it was moved."""
        return self.open_salted(sealed, exchange, name)[1]

    def open_salted(self, sealed: bytes, exchange: str, name: str = "subject") -> tuple[bytes, str]:
        """Return the salt too; entries from before the tree have none."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            opened = self._cipher.decrypt(nonce, text, _place(exchange, name))
        except InvalidTag:
            return b"", self._cipher.decrypt(nonce, text, exchange.encode()).decode()
        return opened[:SALT_BYTES], opened[SALT_BYTES:].decode()

    def index(self, subject: str) -> bytes:
        """Return the 32 bytes under which all entries about a subject are found."""
        return hmac.digest(self._index_key, subject.encode(), hashlib.sha256)

    def row(self, entry: Entry) -> dict[str, Any]:
        """Return an entry as it is stored: without the persons themselves."""
        row: dict[str, Any] = dict(zip(_STORED, _stored(entry), strict=True))
        subject = entry.subject
        acting = entry.acting if entry.acting != subject else None
        row["categories"] = list(entry.categories)
        row["subject_index"] = self.index(subject) if subject else None
        for name, person in (("subject", subject), ("acting", acting)):
            salt = secrets.token_bytes(SALT_BYTES) if person else b""
            row[f"{name}_sealed"] = (
                self.close(person, entry.exchange, name, salt) if person else None
            )
            row[f"{name}_commitment"] = commitment(salt, name, person) if person else None
        return row

    def holds(self, row: Any) -> bool:
        """Whether the sealed persons of a stored entry are those that its leaf commits to."""
        for name in ("subject", "acting"):
            sealed, committed = row[f"{name}_sealed"], row[f"{name}_commitment"]
            if (sealed is None) != (committed is None):
                return False
            if sealed is None:
                continue
            try:
                salt, person = self.open_salted(sealed, row["exchange"], name)
            except (InvalidTag, ValueError):
                return False
            if commitment(salt, name, person) != committed:
                return False
            if name == "subject" and row["subject_index"] != self.index(person):
                return False
        return True


def _place(exchange: str, name: str) -> bytes:
    return f"{exchange}\n{name}".encode()


_PERSONS = ("subject", "acting")
_STORED = [field.name for field in dataclasses.fields(Entry) if field.name not in _PERSONS]
_stored = attrgetter(*_STORED)
