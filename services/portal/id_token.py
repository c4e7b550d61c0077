"""Verifies ID tokens (OpenID Connect Core 1.0 section 3.1.3.7)."""

import hmac
import logging
from collections.abc import Mapping
from typing import Any

import jwt

from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.tokens import KeySource, UnknownKey

logger = logging.getLogger(__name__)
_LEEWAY_S = 5
_MAX_AGE_S = 300  # it comes straight from the token endpoint, so an old one is a replay
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


class SignInFailed(Problem):
    """A sign-in came back in a way that cannot be trusted, or was given up."""

    slug, title, status = "sign-in-failed", "You are not signed in", 400


class IdTokens:
    """Verifies ID tokens of one issuer for one client."""

    def __init__(self, keys: KeySource, issuer: str, client_id: str, clock: Clock) -> None:
        self._keys, self._issuer = keys, issuer
        self._client_id, self._clock = client_id, clock

    def verify(self, text: str, nonce: str) -> Mapping[str, Any]:
        """Return the claims of an ID token that answers the sign-in with this nonce.

        Raises SignInFailed when anything about it is wrong.
        """
        try:
            header = jwt.get_unverified_header(text)
            if str(header.get("typ", "JWT")).upper() != "JWT":
                raise ValueError("not an ID token")
            key = self._key(str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._client_id,
                issuer=self._issuer,
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            self._check(claims, nonce)
        except (jwt.PyJWTError, ValueError, TypeError, UnknownKey) as fault:
            logger.warning("an ID token was not accepted", extra={"fault": repr(fault)})
            raise SignInFailed(
                "Identity's answer could not be verified, so nobody was signed in. "
                "Sign in again; report it if it happens twice."
            ) from None
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        try:
            return self._keys.key(kid)
        except UnknownKey:
            self._keys.refresh()
            return self._keys.key(kid)

    def _check(self, claims: Mapping[str, Any], nonce: str) -> None:
        now = self._clock.now().timestamp()
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1:
            raise ValueError("meant for several clients")
        if claims.get("azp", self._client_id) != self._client_id:
            raise ValueError("issued to another client")
        if now > int(claims["exp"]) + _LEEWAY_S:
            raise ValueError("expired")
        if not now - _MAX_AGE_S <= int(claims["iat"]) <= now + _LEEWAY_S:
            raise ValueError("issued at another time")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise ValueError("answers another sign-in")
