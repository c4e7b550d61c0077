"""The public keys of clients: given at registration, or fetched from the client's own address."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servicekit import guarded
from services.identity.storage.tables import Client

MAX_KEYS = 10
LIFE_S = 300.0
COOLDOWN_S = 30.0  # an unknown key id makes one fetch, not one a request
LARGEST_BYTES = 64 * 1024
SHORTEST_RSA_BITS = 2048

Fetch = Callable[[str], Any]


@dataclass
class _Held:
    keys: Sequence[Mapping[str, Any]] = ()
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class ClientKeys:
    """Finds the keys that a client's assertion may be signed with."""

    def __init__(
        self, fetch: Fetch | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._monotonic = fetch or fetcher(()), monotonic
        self._held: dict[tuple[str, str], _Held] = {}

    def of(self, client: Client, kid: str | None) -> list[Mapping[str, Any]]:
        """Return the client's keys with this id; all of them when the assertion names none."""
        if client.jwks is not None:
            return _fitting(usable(client.jwks), kid)
        if client.jwks_uri is None:
            return []
        held = self._held.setdefault((client.client_id, client.jwks_uri), _Held())
        now = self._monotonic()
        found = _fitting(held.keys, kid)
        if (not found or now - held.fetched_at > LIFE_S) and now - held.tried_at > COOLDOWN_S:
            self._refresh(held, client.jwks_uri)
            found = _fitting(held.keys, kid)
        return found

    def _refresh(self, held: _Held, address: str) -> None:
        # a slow address must not hold every thread: who has keys in hand goes on with those
        if not held.lock.acquire(blocking=not held.keys):
            return
        try:
            now = self._monotonic()
            if now - held.tried_at <= COOLDOWN_S:
                return
            held.tried_at = now
            held.keys = usable(self._fetch(address))
            held.fetched_at = now
        except (guarded.AddressRefused, guarded.NotReached, ValueError):
            return  # the keys held so far go on serving
        finally:
            held.lock.release()


def fetcher(test_hosts: Sequence[str] | frozenset[str]) -> Fetch:
    """Return what fetches a key set from an address that somebody else chose."""

    def fetch(address: str) -> Any:
        answer = guarded.fetch(address, test_hosts=test_hosts, limit_bytes=LARGEST_BYTES)
        if answer.status != 200:
            raise ValueError(f"the key set was answered with {answer.status}")
        return answer.json()

    return fetch


def usable(document: Any) -> list[Mapping[str, Any]]:
    """Return the public keys of a key set that signatures may be checked with."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        return []
    return [key for key in keys[:MAX_KEYS] if isinstance(key, dict) and _is_usable(key)]


def _is_usable(key: Mapping[str, Any]) -> bool:
    if key.get("use", "sig") != "sig" or "d" in key or "k" in key:
        return False
    match key.get("kty"):
        case "EC":
            return key.get("crv") == "P-256"
        case "OKP":
            return key.get("crv") == "Ed25519"
        case "RSA":
            modulus = key.get("n")
            return isinstance(modulus, str) and len(modulus) * 6 >= SHORTEST_RSA_BITS
        case _:
            return False


def _fitting(keys: Sequence[Mapping[str, Any]], kid: str | None) -> list[Mapping[str, Any]]:
    return [key for key in keys if kid is None or key.get("kid") == kid]
