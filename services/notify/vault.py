"""Encryption at rest: sealed texts (AES-256-GCM) and keyed indexes that make them searchable."""

import hashlib
import hmac
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random, 96 bits


class Vault:
    """Seals with one key and indexes with another; both come from the data key."""

    def __init__(self, data_key: bytes) -> None:
        self._cipher = AESGCM(_derive(data_key, b"seal"))
        self._index_key = _derive(data_key, b"index")

    def seal(self, place: str, content: Any) -> bytes:
        """Encrypt a JSON value; it opens only at the same place (``notification/<id>``)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return nonce + self._cipher.encrypt(nonce, text, place.encode())

    def open(self, place: str, sealed: bytes) -> Any:
        """Decrypt what ``seal`` made at this place; raises InvalidTag for anything else."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return json.loads(self._cipher.decrypt(nonce, text, place.encode()))

    def index(self, kind: str, value: str) -> str:
        """Return a keyed fingerprint: equal for equal values, and telling nothing else."""
        text = f"{kind}:{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._index_key, text, hashlib.sha256).hexdigest()


def _derive(data_key: bytes, purpose: bytes) -> bytes:
    # HKDF-Expand (RFC 5869 2.3) with one block: the data key is uniformly random already
    return hmac.new(data_key, b"atoll notify " + purpose + b"\x01", hashlib.sha256).digest()
