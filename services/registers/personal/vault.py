"""Keeps what personal registers hold encrypted (AES-256-GCM), and names people by keyed digests."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class PersonalVault:
    """Seals and opens values under keys made from the log key; each is bound to its place."""

    def __init__(self, log_key: str) -> None:
        seed = base64.urlsafe_b64decode(log_key)
        self._cipher = AESGCM(_derived(seed, b"values"))
        self._people, self._requests = _derived(seed, b"people"), _derived(seed, b"requests")
        self._start = _derived(seed, b"start state")

    def seal(self, data: Mapping[str, Any], *place: object) -> bytes:
        """Encrypt members for one place, such as a register, a key, an entry and a field."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, json.dumps(data).encode(), _bound(place))

    def open(self, sealed: bytes, *place: object) -> dict[str, Any]:
        """Decrypt what ``seal`` returned for the same place; raises InvalidTag for another."""
        nonce, data = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        opened: dict[str, Any] = json.loads(self._cipher.decrypt(nonce, data, _bound(place)))
        return opened

    def person(self, register: str, subject: str) -> bytes:
        """Return what stands for a person in one register; another register has another."""
        return _digest(self._people, register, subject)

    def request(self, *parts: str) -> bytes:
        """Return what tells one request from another, and nothing of what was sent."""
        return _digest(self._requests, *parts)

    def start_salt(self, *parts: str) -> bytes:
        """Return the salt or key of a record of the start state: the same after each reset."""
        return _digest(self._start, *parts)[:16]


def _derived(seed: bytes, name: bytes) -> bytes:
    return hmac.digest(seed, b"atoll personal registers: " + name, hashlib.sha256)


def _digest(key: bytes, *parts: str) -> bytes:
    return hmac.digest(key, json.dumps(parts).encode(), hashlib.sha256)


def _bound(place: tuple[object, ...]) -> bytes:
    return json.dumps([str(part) for part in place]).encode()
