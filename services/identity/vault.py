"""Secrets that must be read back (one-time code secrets), encrypted at rest; keys made from one."""

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Vault:
    """Seals small secrets with AES-256-GCM under the data key."""

    def __init__(self, data_key: bytes) -> None:
        self._data_key = data_key

    def key_for(self, use: str) -> bytes:
        """Return a key of its own for one use, so that no key serves two."""
        return hmac.new(self._data_key, use.encode(), hashlib.sha256).digest()

    def seal(self, secret: str, owner: str) -> bytes:
        """Encrypt a secret so that it can be opened for this owner only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, secret.encode(), owner.encode())

    def open(self, sealed: bytes, owner: str) -> str:
        """Decrypt a secret of this owner; raises InvalidTag when it was changed or moved."""
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return self._cipher().decrypt(nonce, text, owner.encode()).decode()

    def _cipher(self) -> AESGCM:
        return AESGCM(self.key_for("seal"))
