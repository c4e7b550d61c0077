"""A fake issuer: real ES256 keys and real tokens, without the identity service."""

import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from servicekit.tokens import KeySource, Verifier

ISSUER = "http://localhost:8000/identity"


class FakeIssuer:
    """Signs access tokens as identity would (wire section 2)."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.kid = secrets.token_urlsafe(8)
        self.fetches = 0

    def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        return {"keys": [jwk | {"kid": self.kid, "alg": "ES256", "use": "sig"}]}

    def verifier(self) -> Verifier:
        return Verifier(KeySource(self.jwks), self.issuer)

    def token(
        self,
        service: str,
        scope: str = "",
        *,
        subject: str | None = None,
        client_id: str = "test-client",
        roles: list[str] | None = None,
        lifetime_s: int = 900,
        typ: str = "at+jwt",
        **claims: Any,
    ) -> str:
        now = int(time.time())
        payload = {
            "iss": self.issuer,
            "sub": subject or client_id,
            "aud": f"urn:atoll:{service}",
            "client_id": client_id,
            "scope": scope,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + lifetime_s,
            "roles": roles or [],
        } | claims
        return jwt.encode(
            payload, self.private_key, algorithm="ES256", headers={"kid": self.kid, "typ": typ}
        )

    def headers(self, service: str, scope: str = "", **options: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(service, scope, **options)}"}
