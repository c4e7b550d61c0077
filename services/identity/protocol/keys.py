"""The key that signs tokens: its public half, its thumbprint, and every signature (PyJWT)."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.identity.domain.jwk import thumbprint

ALGORITHM = "ES256"
LONGEST_HINT = 8192


class SigningKey:
    """One P-256 key; ``kid`` is its RFC 7638 thumbprint."""

    def __init__(self, pem: str) -> None:
        key = load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError("the signing key is not an elliptic-curve key")
        self._private = key
        self._public = key.public_key()
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self._public, as_dict=True)
        self.kid = thumbprint(jwk)
        self._jwk = {**jwk, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set: public members only."""
        return {"keys": [dict(self._jwk)]}

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """Return a signed JWT; typ: ``at+jwt`` for access tokens, ``JWT`` for ID tokens."""
        return jwt.encode(
            dict(claims), self._private, algorithm=ALGORITHM, headers={"kid": self.kid, "typ": typ}
        )

    def read_id_token(self, text: str, issuer: str) -> dict[str, Any] | None:
        """Return the claims of one of our ID tokens, expired or not, or None.

        For ``id_token_hint`` (RP-Initiated Logout section 2): an old one still tells who asks.
        """
        if len(text) > LONGEST_HINT:
            return None
        try:
            if jwt.get_unverified_header(text).get("typ") != "JWT":
                return None
            claims = jwt.decode(
                text,
                self._public,
                algorithms=[ALGORITHM],
                issuer=issuer,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        # `typ` alone would do, but a hint must never be an access token
        return claims if "scope" not in claims else None
