"""How identity verifies its own tokens: with its own keys, grants and revocations, all present."""

from collections.abc import Mapping
from typing import Any

import jwt
from sqlalchemy.orm import Session

from servicekit.problems import Unauthenticated
from servicekit.tokens import KeySource, Token, UnknownKey, Verifier
from services.identity.parts import Parts
from services.identity.protocol.keys import KeyRing
from services.identity.storage import clients, grants

LONGEST = 8192


class OwnKeys(KeySource):
    """The ring as a source of keys: nothing is fetched and nothing is stale."""

    def __init__(self, ring: KeyRing) -> None:
        super().__init__(ring.jwks)
        self._ring = ring

    def key(self, kid: str) -> jwt.PyJWK:
        """Return the published key with this id; raises UnknownKey when there is none."""
        key = self._ring.public(kid)
        if key is None:
            raise UnknownKey(worth_fetching=False)
        return key


def own_verifier(parts: Parts) -> Verifier:
    """Return a verifier that needs no call through the gateway and knows revocations at once."""

    def is_revoked(token: Token) -> bool:
        with parts.database.snapshot() as session:
            return is_denied(session, token)

    return Verifier(
        OwnKeys(parts.keys),
        parts.settings.issuer,
        denied=is_revoked,
        now=lambda: parts.clock.now().timestamp(),
        cache_size=0,  # a withdrawn key must be worth nothing at once
    )


def is_denied(session: Session, token: Token) -> bool:
    """Whether a token was revoked: by itself, with its grant, or with its client."""
    grant_id = token.claims.get("grant_id")
    return (
        grants.is_token_revoked(session, token.jti)
        or (grant_id is not None and grants.is_revoked(session, str(grant_id)))
        or clients.find(session, token.client_id) is None
    )


def access_token_of(parts: Parts, text: str) -> Token | None:
    """Return one of our living access tokens, whatever service it is for, or None.

    For the endpoints to which a token comes as a parameter: introspection, revocation, exchange.
    """
    try:
        audience = jwt.decode(text[:LONGEST], options={"verify_signature": False}).get("aud")
        if not isinstance(audience, str):
            return None
        verifier: Verifier = own_verifier(parts)
        return verifier.verify(text, audience)
    except (Unauthenticated, jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None


def id_token_claims(parts: Parts, text: str) -> Mapping[str, Any] | None:
    """Return the claims of one of our ID tokens, expired or not, or None.

    For ``id_token_hint`` (RP-Initiated Logout section 2): an old one still tells who asks.
    """
    if len(text) > LONGEST:
        return None
    try:
        header = jwt.get_unverified_header(text)
        key = parts.keys.public(str(header.get("kid", "")))
        if header.get("typ") != "JWT" or key is None or set(header) - {"alg", "kid", "typ"}:
            return None
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=[key.algorithm_name],
            issuer=parts.settings.issuer,
            options={
                "require": ["iss", "sub", "aud", "exp", "iat"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    # `typ` alone would do, but a hint must never be an access token
    return claims if "scope" not in claims and isinstance(claims["aud"], str) else None
