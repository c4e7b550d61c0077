"""A fake issuer: real keys, real tokens and real proofs, without the identity service."""

import base64
import hashlib
import secrets
import time
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from servicekit.dpop import key_thumbprint
from servicekit.tokens import KeySource, Verifier

ISSUER = "http://localhost:8000/identity"


class ProofKey:
    """A caller's key for DPoP, and its proofs (RFC 9449)."""

    def __init__(self) -> None:
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.jwk: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(
            self.private_key.public_key(), as_dict=True
        )
        self.thumbprint = key_thumbprint(self.jwk, "ES256")

    def proof(
        self,
        method: str,
        url: str,
        access_token: str | None = None,
        *,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a proof; claims and header members given replace the right ones, None drops."""
        payload = {
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(12),
        }
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            payload["ath"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        payload = {name: value for name, value in (payload | claims).items() if value is not None}
        headers = {"typ": "dpop+jwt", "jwk": self.jwk} | (header or {})
        return jwt.encode(payload, self.private_key, algorithm="ES256", headers=headers)


class FakeIssuer:
    """Signs access tokens as identity would (wire section 2)."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.kid = secrets.token_urlsafe(8)
        self.rsa_kid = f"{self.kid}-rsa"
        self.fetches = 0

    @cached_property
    def rsa_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        keys = [jwk | {"kid": self.kid, "alg": "ES256", "use": "sig"}]
        if "rsa_key" in vars(self):  # made when the first token was signed with it
            jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.rsa_key.public_key(), as_dict=True)
            keys.append(jwk | {"kid": self.rsa_kid, "alg": "RS256", "use": "sig"})
        return {"keys": keys}

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
        algorithm: str = "ES256",
        bound_to: ProofKey | None = None,
        actors: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Return a token; ``actors`` become nested ``act`` claims, the present one first."""
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
        }
        act: dict[str, Any] | None = None
        for actor in reversed(actors):
            act = {"sub": actor} | ({"act": act} if act else {})
        if act is not None:
            payload["act"] = act
        if bound_to is not None:
            payload["cnf"] = {"jkt": bound_to.thumbprint}
        if algorithm == "RS256":
            return self._sign(payload | claims, self.rsa_key, "RS256", self.rsa_kid, typ)
        return self._sign(payload | claims, self.private_key, "ES256", self.kid, typ)

    @staticmethod
    def _sign(payload: dict[str, Any], key: Any, algorithm: str, kid: str, typ: str) -> str:
        return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid, "typ": typ})

    def headers(self, service: str, scope: str = "", **options: Any) -> dict[str, str]:
        """Return what a service gets; for a bound token, what the gateway makes of the proof."""
        text, bound_to = self.token(service, scope, **options), options.get("bound_to")
        if bound_to is not None:
            return {"Authorization": f"DPoP {text}", "Atoll-Proof": bound_to.thumbprint}
        return {"Authorization": f"Bearer {text}"}
