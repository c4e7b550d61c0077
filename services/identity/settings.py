"""Settings of identity; README.md explains them."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from servicekit.settings import ServiceSettings, setting
from services.identity.domain.key_life import Pace

DEMONSTRATION_WAIT_S = 120
# The object identifiers of an elliptic-curve key on P-256, as they stand in PKCS #8 (RFC 5480)
_P256 = bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107")


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What identity needs to start."""

    signing_key: str = setting(
        "The first private key that signs tokens: PEM, PKCS #8, elliptic curve P-256.", secret=True
    )
    data_key: str = setting(
        "32 random bytes in base64url; encrypts one-time code secrets and signing keys.",
        secret=True,
    )
    form_key: str = setting("Protects forms: at least 32 random characters.", secret=True)
    start_state: str | None = setting(
        "Secrets of the demonstration's people and clients as JSON; loopback only.",
        default=None,
        secret=True,
    )
    access_token_life_s: int = setting("Life of access and ID tokens in seconds.", default=900)
    code_life_s: int = setting("Life of an authorization code in seconds.", default=60)
    refresh_life_s: int = setting(
        "How long one sign-in can be refreshed, in seconds.", default=8 * 3600
    )
    refresh_retry_s: int = setting(
        "How long a lost answer to a refresh can be asked for again, in seconds.", default=30
    )
    client_cache_s: float = setting(
        "How long a process may remember a client, in seconds.", default=5.0
    )
    key_ahead_s: int = setting(
        "A new signing key is published so many seconds before it signs.", default=600
    )
    key_overlap_s: int = setting(
        "A retired signing key stays published for so many seconds.", default=3600
    )
    key_every_s: int = setting(
        "A signing key is replaced after so many seconds; 0: only by command.",
        default=30 * 24 * 3600,
    )
    notify: str | None = setting(
        "Key and templates of identity's own service at notify as JSON; announces changes.",
        default=None,
        secret=True,
    )
    recovery_wait_s: int = setting(
        "How long an account's recovery waits when every factor changes, in seconds.",
        default=24 * 3600,
    )
    reauthentication_s: int = setting(
        "Factors change only within so many seconds after the person signed in.", default=300
    )
    clients_per_person: int = setting(
        "How many programs one person may register for themselves.", default=10
    )
    session_idle_s: int = setting(
        "Sign-in ends after so many seconds without a page view.", default=30 * 60
    )
    session_life_s: int = setting("Sign-in ends after so many seconds at most.", default=8 * 3600)

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        if _P256 not in _der(self.signing_key):
            yield "IDENTITY_SIGNING_KEY must be a P-256 private key in PEM (PKCS #8)."
        if len(_decoded(self.data_key)) != 32:
            yield "IDENTITY_DATA_KEY must be 32 bytes in base64url."
        if len(self.form_key) < 32:
            yield "IDENTITY_FORM_KEY must have at least 32 characters."
        for name in (
            "access_token_life_s",
            "code_life_s",
            "refresh_life_s",
            "session_idle_s",
            "session_life_s",
            "recovery_wait_s",
            "reauthentication_s",
            "clients_per_person",
        ):
            if getattr(self, name) < 1:
                yield f"IDENTITY_{name.upper()} must be at least 1."
        if self.key_ahead_s < 600:
            yield "IDENTITY_KEY_AHEAD_S must be at least 600: verifiers look for keys that seldom."
        if self.key_overlap_s < self.access_token_life_s + 60:
            yield "IDENTITY_KEY_OVERLAP_S must outlast the tokens by a minute."
        if self.key_every_s < 0:
            yield "IDENTITY_KEY_EVERY_S cannot be negative."
        if not 0 <= self.client_cache_s <= 5:
            yield "IDENTITY_CLIENT_CACHE_S must be between 0 and 5."
        if self.code_life_s > 60:
            yield "IDENTITY_CODE_LIFE_S must be at most 60."
        if self.refresh_retry_s < 0:
            yield "IDENTITY_REFRESH_RETRY_S cannot be negative."
        if self.notify is not None and not _is_notify(self.notify):
            yield 'IDENTITY_NOTIFY must be JSON with "api_key" and "templates" (email, sms).'
        if self.start_state is not None:
            if not self.is_loopback:
                yield (
                    "IDENTITY_START_STATE holds demonstration people, whose passwords are shown "
                    "to everybody; it works only where ATOLL_PUBLIC_URL is loopback. Remove it."
                )
            if not _is_start_state(self.start_state):
                yield 'IDENTITY_START_STATE must be JSON with "people" and "clients".'

    @property
    def key_pace(self) -> Pace:
        """How quickly signing keys follow each other."""
        seconds = (self.key_ahead_s, self.key_overlap_s, self.key_every_s)
        return Pace(*(timedelta(seconds=each) for each in seconds))

    @property
    def recovery_wait(self) -> timedelta:
        """How long the recovery of every factor waits; in a demonstration nobody can wait a day."""
        demonstration = self.start_state is not None
        wait_s = min(self.recovery_wait_s, DEMONSTRATION_WAIT_S) if demonstration else None
        return timedelta(seconds=wait_s or self.recovery_wait_s)

    @property
    def data_key_bytes(self) -> bytes:
        """The data key, decoded."""
        return _decoded(self.data_key)

    @property
    def demonstration(self) -> dict[str, Any]:
        """The secrets of the start state; empty without one."""
        empty: dict[str, Any] = {"people": {}, "clients": {}}
        return empty if self.start_state is None else dict(json.loads(self.start_state))


def _der(pem: str) -> bytes:
    lines = pem.strip().splitlines()
    if len(lines) < 3 or lines[0] != "-----BEGIN PRIVATE KEY-----":
        return b""
    return _decoded("".join(lines[1:-1]))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(
            text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        return b""


def _is_start_state(text: str) -> bool:
    try:
        value = json.loads(text)
        return all(
            isinstance(person[name], str)
            for person in value["people"].values()
            for name in ("sub", "password", "totp_secret")
        ) and all(isinstance(c["client_secret"], str) for c in value["clients"].values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _is_notify(text: str) -> bool:
    try:
        value = json.loads(text)
        return isinstance(value["api_key"], str) and all(
            isinstance(value["templates"][channel], str) for channel in ("email", "sms")
        )
    except (ValueError, LookupError, TypeError):
        return False
