"""Reads a token for people: its header, its claims in words, and what is wrong with it."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LONGEST = 8192
ALGORITHMS = ("ES256", "RS256")
KINDS = {"at+jwt": "access", "JWT": "id", "logout+jwt": "logout"}
TIMES = ("iat", "exp", "nbf", "auth_time")
# the claims that there are words for, in the order in which they are told
CLAIMS = (
    *("iss", "sub", "aud", "client_id", "azp", "scope", "roles", "iat", "nbf", "exp"),
    *("auth_time", "acr", "amr", "act", "cnf", "jti", "nonce", "sid", "grant_id", "at_hash"),
    *("events", "name", "preferred_username", "locale"),
)
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class Unreadable(ValueError):
    """The text is no token in three parts; ``reason``: empty, long, parts or json."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Inspected:
    """What a token says of itself; none of it is to be believed before the signature is checked."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What the token is for: access, id, logout or unknown."""
        return KINDS.get(str(self.header.get("typ")), "unknown")

    @property
    def told(self) -> list[tuple[str, Any, datetime | None]]:
        """The claims in a good order; times as moments too."""
        names = [name for name in CLAIMS if name in self.claims]
        names += sorted(name for name in self.claims if name not in CLAIMS)
        return [(name, self.claims[name], self.moment(name)) for name in names]

    def moment(self, name: str) -> datetime | None:
        """Return a time claim as a moment, or None where it is none."""
        value = self.claims.get(name)
        if name not in TIMES or not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def hints(self, issuer: str, now: datetime) -> list[str]:
        """Name what a service would notice: text keys after ``token_hint_``."""
        ends, begins = self.moment("exp"), self.moment("nbf") or self.moment("iat")
        audience, found = self.claims.get("aud"), []
        if self.header.get("alg") not in ALGORITHMS:
            found.append("algorithm")
        if set(self.header) - {"alg", "kid", "typ"}:
            found.append("header")
        if self.claims.get("iss") != issuer:
            found.append("issuer")
        if ends is None:
            found.append("endless")
        elif ends <= now:
            found.append("expired")
        if begins is not None and (begins - now).total_seconds() > 10:
            found.append("early")
        if self.kind == "access" and not _is_service(audience):
            found.append("audience")
        if self.kind == "id":
            found.append("id")
        if self.kind == "access" and self.claims.get("sub") == self.claims.get("client_id"):
            found.append("machine")
        if "cnf" in self.claims:
            found.append("bound")
        if "act" in self.claims:
            found.append("acting")
        return found


def read(text: str) -> Inspected:
    """Take a token apart; raises Unreadable."""
    given = re.sub(r"^(?:bearer|dpop)\s+", "", text.strip(), flags=re.IGNORECASE)
    if not given:
        raise Unreadable("empty")
    if len(given) > LONGEST:
        raise Unreadable("long")
    if not _COMPACT.fullmatch(given):
        raise Unreadable("parts")
    header, claims, _ = given.split(".")
    return Inspected(given, _object(header), _object(claims))


def pretty(value: Any) -> str:
    """Write JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _is_service(audience: Any) -> bool:
    return isinstance(audience, str) and re.fullmatch(r"urn:atoll:[a-z-]+", audience) is not None


def _object(part: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(data.decode("utf-8"))
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a character is no text
    except (binascii.Error, ValueError, RecursionError):
        raise Unreadable("json") from None
    if not isinstance(value, dict):
        raise Unreadable("json")
    return value
