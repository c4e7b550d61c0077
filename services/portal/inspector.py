"""Looks at one token for one page: nothing of it is kept, logged or sent anywhere."""

from dataclasses import dataclass
from typing import Literal

import jwt

from servicekit.tokens import KeySource, UnknownKey
from services.portal.domain import inspection
from services.portal.domain.inspection import ALGORITHMS, Inspected, Unreadable

Signature = Literal["good", "bad", "unknown", "unchecked"]


@dataclass(frozen=True)
class Look:
    """What came of a look: a token and its signature, or why there is none."""

    token: Inspected | None = None
    signature: Signature = "unchecked"
    unreadable: str | None = None


def look(text: str, keys: KeySource) -> Look:
    """Take a token apart and check its signature against the published keys."""
    try:
        token = inspection.read(text)
    except Unreadable as unreadable:
        return Look(unreadable=unreadable.reason)
    return Look(token, _signature(token, keys))


def _signature(token: Inspected, keys: KeySource) -> Signature:
    kid = token.header.get("kid")
    if token.header.get("alg") not in ALGORITHMS or not isinstance(kid, str):
        return "unchecked"
    key = _key(kid, keys)
    if key is None:
        return "unknown"
    try:
        jwt.decode(
            token.text,
            key,
            algorithms=[key.algorithm_name],
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        return "bad"
    return "good"


def _key(kid: str, keys: KeySource) -> jwt.PyJWK | None:
    for turn in ("held", "fetched"):
        try:
            return keys.key(kid)
        except UnknownKey as unknown:
            if turn == "held" and unknown.worth_fetching:
                keys.refresh()
    return None
