"""Keeps the secrets of subscriptions encrypted (AES-256-GCM) under a key made from the log key."""

import base64
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Vault:
    """Locks and opens texts; each is bound to the thing that it belongs to."""

    def __init__(self, log_key: str) -> None:
        seed = base64.urlsafe_b64decode(log_key)
        self._cipher = AESGCM(hmac.digest(seed, b"atoll registers subscriptions", hashlib.sha256))

    def lock(self, text: str, owner: str) -> str:
        """Encrypt a text."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), owner.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, locked: str, owner: str) -> str:
        """Decrypt what ``lock`` returned for the same owner; raises InvalidTag."""
        data = base64.b64decode(locked)
        nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, sealed, owner.encode()).decode()
