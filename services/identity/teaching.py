"""The teaching levers: faults that developers inject on purpose, to see whether they notice.

One client's faults work in the sandbox alone (``storage/registrations.py`` keeps them there, and
they are looked for here again); slow keys work in a demonstration alone. Who waits on purpose
holds a thread, so only a few may wait at a time; the others are answered at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from servicekit.database import Database
from services.identity.settings import Settings
from services.identity.storage import levers
from services.identity.storage.tables import Client

EXPIRED, AUDIENCE, DENIED = "expired_token", "wrong_audience", "denied_consent"
SLOW, SIGNATURE = "slow_token_ms", "invalid_signature"
SLOWEST_MS = 10_000
NOWHERE = "urn:atoll:nowhere"
SLOW_KEYS = "slow_keys_ms"
MOST_WAITING = 2
LEEWAY_S = 60  # longer than any verifier is lenient
_FRESH_S = 1.0
# JSON Schema of a client's faults; what is left out is off
FAULTS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        **{name: {"type": "boolean"} for name in (EXPIRED, AUDIENCE, DENIED, SIGNATURE)},
        SLOW: {"type": "integer", "minimum": 0, "maximum": SLOWEST_MS},
    },
    "additionalProperties": False,
}
logger = logging.getLogger(__name__)


def injected(client: Client) -> Mapping[str, Any]:
    """Return the faults that hold for a client: none, unless it is in the sandbox."""
    return client.faults if client.faults and client.status == "sandbox" else {}


def spoil(client: Client, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return a token's claims as the injected faults want them."""
    faults, spoiled = injected(client), dict(claims)
    if faults.get(EXPIRED):
        age = int(claims["exp"]) - int(claims["iat"]) + LEEWAY_S
        for name in ("iat", "exp"):
            spoiled[name] = int(claims[name]) - age
    if faults.get(AUDIENCE):
        spoiled["aud"] = NOWHERE
    return spoiled


def spoil_signature(client: Client, token: str) -> str:
    """Return a token whose signature is that of other content, if this fault is injected."""
    if not injected(client).get(SIGNATURE):
        return token
    content, _, signature = token.rpartition(".")
    # the first letter carries six whole bits, so that the spelling stays a proper one
    return f"{content}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def denies(client: Client) -> bool:
    """Whether every person is to say no to this client."""
    return bool(injected(client).get(DENIED))


def told(client: Client, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a token answer that says which faults were injected; the log says it, too."""
    faults = injected(client)
    if not faults:
        return answer
    names = sorted(faults)
    logger.info("faults injected", extra={"client_id": client.client_id, "faults": names})
    return answer | {"injected_faults": names}


class Teaching:
    """Waits on purpose, in the few places where a developer or an instructor asked for it."""

    def __init__(
        self, settings: Settings, database: Database, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.is_demonstration = settings.start_state is not None and settings.is_loopback
        self.pause = pause
        self._database = database
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._slow_keys_ms, self._read_at = 0, float("-inf")

    def slow_token(self, client: Client) -> None:
        """Let a token answer wait, if this fault is injected."""
        self._wait(int(injected(client).get(SLOW, 0)))

    def slow_keys(self) -> None:
        """Let the answer with the public keys wait, if the instructor wants it."""
        if self.is_demonstration:
            self._wait(self.slow_keys_ms())

    def slow_keys_ms(self) -> int:
        """Return how long the keys wait, in milliseconds."""
        if time.monotonic() - self._read_at > _FRESH_S:
            with self._database.snapshot() as session:
                self._slow_keys_ms = int(levers.get(session, SLOW_KEYS) or 0)
            self._read_at = time.monotonic()
        return self._slow_keys_ms

    def forget(self) -> None:
        """Look at the lever again at the next use: it was just moved."""
        self._read_at = float("-inf")

    def _wait(self, milliseconds: int) -> None:
        if milliseconds > 0 and self._waiting.acquire(blocking=False):
            try:
                self.pause(min(milliseconds, SLOWEST_MS) / 1000)
            finally:
                self._waiting.release()
