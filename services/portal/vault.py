"""Encrypts what a session must keep but nobody may read from the database (AES-256-GCM)."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Vault:
    """Seals small JSON objects under one key; a sealed text belongs to one row."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, row: str, value: Mapping[str, Any]) -> bytes:
        """Return nonce and ciphertext of a JSON object, bound to the row's key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, json.dumps(value).encode(), row.encode())

    def unseal(self, row: str, sealed: bytes) -> dict[str, Any] | None:
        """Return the object; None when the key, the row or the text is another."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], row.encode())
        except (InvalidTag, ValueError):
            return None
        value = json.loads(plain)
        return value if isinstance(value, dict) else None
