"""Encryption at rest: sealed texts (AES-256-GCM) and keyed indexes that make them searchable."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random, 96 bits
_OF_WEEK = b"W"  # what begins a text that was sealed with the key of a week, then the week
KEY_BYTES = 32
_MOST_KEPT = 2000


class Vault:
    """Seals with one key and indexes with another; both come from the data key.

    ``of`` gives the vault of one service, which seals with a key of that service alone: when the
    key is thrown away, so is everything that it sealed. A service's keyring holds keys of weeks:
    the newest seals, and retention throws the old ones away.
    """

    def __init__(self, data_key: bytes) -> None:
        self._cipher = AESGCM(_derive(data_key, b"seal"))
        self._index_key = _derive(data_key, b"index")
        self._services: dict[tuple[bytes, str], Vault] = {}
        self._weeks: dict[int, AESGCM] = {}

    def seal(self, place: str, content: Any) -> bytes:
        """Encrypt a JSON value; it opens only at the same place (``notification/<id>``)."""
        return self.seal_bytes(place, json.dumps(content, ensure_ascii=False).encode())

    def open(self, place: str, sealed: bytes) -> Any:
        """Decrypt what ``seal`` made at this place; raises InvalidTag for anything else."""
        return json.loads(self.open_bytes(place, sealed))

    def seal_bytes(self, place: str, content: bytes) -> bytes:
        """Encrypt bytes; they open only at the same place."""
        if not self._weeks:
            return _seal(self._cipher, place, content)
        week = max(self._weeks)
        return _OF_WEEK + week.to_bytes(2) + _seal(self._weeks[week], place, content)

    def open_bytes(self, place: str, sealed: bytes) -> bytes:
        """Decrypt what ``seal_bytes`` made at this place."""
        week = int.from_bytes(sealed[1:3]) if sealed[:1] == _OF_WEEK else None
        if week is not None and (cipher := self._weeks.get(week)):
            try:
                return _open(cipher, place, sealed[3:])
            except InvalidTag:  # a nonce may begin with the same letter
                pass
        return _open(self._cipher, place, sealed)

    def index(self, kind: str, value: str) -> str:
        """Return a keyed fingerprint: equal for equal values, and telling nothing else."""
        text = f"{kind}:{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._index_key, text, hashlib.sha256).hexdigest()

    def new_key(self, service_id: str) -> bytes:
        """Make a service's own key and return it sealed, to be stored with the service."""
        key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        return self.seal(f"service_key/{service_id}", key)

    def new_week_key(self, week: int) -> str:
        """Make the key of a week for a service's keyring; called on the vault of the service."""
        key = secrets.token_bytes(KEY_BYTES)
        return base64.b64encode(_seal(self._cipher, f"week/{week}", key)).decode()

    def of(
        self, service_id: str, sealed_key: bytes | None, keyring: Mapping[str, str] | None = None
    ) -> "Vault":
        """Return the vault of a service; without a key of its own it is this one."""
        if sealed_key is None:
            return self
        known = (sealed_key, ",".join(sorted(keyring or {})))
        if known not in self._services:
            key = base64.b64decode(self.open(f"service_key/{service_id}", sealed_key))
            own = Vault(key)
            own._index_key = self._index_key  # a person is found again across services
            for week, sealed in (keyring or {}).items():
                found = _open(own._cipher, f"week/{week}", base64.b64decode(sealed))
                own._weeks[int(week)] = AESGCM(found)
            if len(self._services) > _MOST_KEPT:
                self._services.clear()
            self._services[known] = own
        return self._services[known]


class FileKey:
    """A key that is stored nowhere: whoever has the link of a file has it."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or secrets.token_bytes(KEY_BYTES)
        self._cipher = AESGCM(_derive(self.key, b"file"))

    def seal(self, place: str, content: bytes) -> bytes:
        """Encrypt bytes; they open only at the same place (``document/<id>``)."""
        return _seal(self._cipher, place, content)

    def open(self, place: str, sealed: bytes) -> bytes:
        """Decrypt what ``seal`` made; raises InvalidTag for another key or place."""
        return _open(self._cipher, place, sealed)

    def fingerprint(self, text: str) -> str:
        """Return a hash of an address that only the holder of this key can compare."""
        key = _derive(self.key, b"address")
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _seal(cipher: AESGCM, place: str, content: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, place.encode())


def _open(cipher: AESGCM, place: str, sealed: bytes) -> bytes:
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return cipher.decrypt(nonce, text, place.encode())


def _derive(data_key: bytes, purpose: bytes) -> bytes:
    # HKDF-Expand (RFC 5869 2.3) with one block: the data key is uniformly random already
    return hmac.new(data_key, b"atoll notify " + purpose + b"\x01", hashlib.sha256).digest()
