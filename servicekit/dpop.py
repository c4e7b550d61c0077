"""DPoP (RFC 9449): a proof that the caller holds the key that a token is bound to."""

import base64
import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt

from servicekit.problems import Unauthenticated

PROOF_ALGORITHMS = ("ES256", "PS256", "EdDSA")  # those of FAPI 2.0 section 5.4.1
PAST_S, FUTURE_S = 60, 10
MAX_PROOF_BYTES = 4096
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# algorithm -> kty, crv, and the members of a public key, which alone make its thumbprint (RFC 7638)
_KEYS: Mapping[str, tuple[str, str | None, tuple[str, ...]]] = {
    "ES256": ("EC", "P-256", ("crv", "kty", "x", "y")),
    "PS256": ("RSA", None, ("e", "kty", "n")),
    "EdDSA": ("OKP", "Ed25519", ("crv", "kty", "x")),
}
_SMALLEST_RSA_BITS = 2048
_UNRESERVED = re.compile(r"%([0-9A-Fa-f]{2})")


class InvalidProof(Unauthenticated):
    """The proof is missing or wrong (RFC 9449 section 7.1)."""

    def __init__(self, detail: str, error: str = "invalid_dpop_proof") -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = (
            f'DPoP realm="atoll", error="{error}", algs="{" ".join(PROOF_ALGORITHMS)}"'
        )


class ProofMemory:
    """Remembers the proofs that one process has seen; several share a database instead.

    When it is full of proofs that are still fresh, new ones are refused: it never forgets early.
    """

    def __init__(self, capacity: int = 200_000) -> None:
        self._capacity, self._lock = capacity, threading.Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, now: float) -> bool:
        """Return True the first time; ``name`` identifies key and jti."""
        with self._lock:
            while self._until and next(iter(self._until.values())) < now:
                self._until.popitem(last=False)
            if name in self._until or len(self._until) >= self._capacity:
                return False
            self._until[name] = now + PAST_S + FUTURE_S
            return True


def check_proof(
    proofs: Sequence[str],
    *,
    method: str,
    url: str,
    now: float,
    take: Callable[[str, float], bool],
    access_token: str | None = None,
) -> str:
    """Return the thumbprint of the key that signed the request's proof; raises InvalidProof.

    proofs: the value of every DPoP header of the request. url: as the outside world sees it.
    access_token: the token the proof must name in ``ath``; None at the token endpoint.
    take(name, now): remembers a proof for 70 s and returns False when it was seen before.
    """
    if len(proofs) != 1:
        raise InvalidProof("Send exactly one DPoP header." if proofs else "Send a DPoP proof.")
    thumbprint, claims = _verified(proofs[0])
    issued_at, jti = claims.get("iat"), claims.get("jti")
    if claims.get("htm") != method:
        raise InvalidProof(f"The proof's htm is not {method}.")
    if not isinstance(claims.get("htu"), str) or _normal(claims["htu"]) != _normal(url):
        raise InvalidProof("The proof's htu is not the address that was called.")
    if not isinstance(issued_at, int | float) or not now - PAST_S <= issued_at <= now + FUTURE_S:
        raise InvalidProof("The proof's iat is not the present time. Make a proof for each call.")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise InvalidProof("The proof's jti must be a random text.")
    if access_token is not None and claims.get("ath") != _sha256(
        access_token.encode("utf-8", "replace")
    ):
        raise InvalidProof("The proof's ath is not the hash of the access token.")
    if not take(_sha256(f"{thumbprint}\n{jti}".encode("utf-8", "replace")), now):
        raise InvalidProof("This proof was used before. Make a proof for each call.")
    return thumbprint


def _verified(proof: str) -> tuple[str, Mapping[str, Any]]:
    """Return the key's thumbprint and the claims of a proof with a good signature."""
    if len(proof) > MAX_PROOF_BYTES or not _COMPACT.fullmatch(proof):
        raise InvalidProof("The DPoP header is not a signed JWT in compact form.")
    try:
        header = jwt.get_unverified_header(proof)
        algorithm, jwk = header.get("alg"), header.get("jwk")
        if header.get("typ") != "dpop+jwt" or set(header) - {"typ", "alg", "jwk", "kid"}:
            raise InvalidProof("The proof's header must hold typ dpop+jwt, alg and jwk alone.")
        if algorithm not in PROOF_ALGORITHMS or not isinstance(jwk, dict):
            raise InvalidProof(f"Sign proofs with {' or '.join(PROOF_ALGORITHMS)}.")
        thumbprint = key_thumbprint(jwk, algorithm)
        claims = jwt.decode(
            proof,
            jwt.PyJWK(jwk, algorithm=algorithm),
            algorithms=[algorithm],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise InvalidProof("The proof's signature or content is not valid.") from None
    return thumbprint, claims


def key_thumbprint(jwk: Mapping[str, Any], algorithm: str) -> str:
    """Return the RFC 7638 thumbprint of a public key fit for the algorithm; raises ValueError."""
    kty, crv, members = _KEYS[algorithm]
    if jwk.get("kty") != kty or (crv is not None and jwk.get("crv") != crv):
        raise ValueError("the key is not one for this algorithm")
    if not all(isinstance(jwk.get(name), str) for name in members):
        raise ValueError("the key lacks a member")
    if {"d", "k", "p", "q", "dp", "dq", "qi", "oth"}.intersection(jwk):
        raise ValueError("the key is private")
    if kty == "RSA" and _bits(jwk["n"]) < _SMALLEST_RSA_BITS:
        raise ValueError("the key is too short")
    public = {name: jwk[name] for name in members}
    return _sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode())


def _bits(number: str) -> int:
    raw = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
    return int.from_bytes(raw, "big").bit_length()


def _sha256(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _normal(address: str) -> tuple[str, str, int | None, str] | None:
    """Normalise an address without query and fragment (RFC 3986 6.2.2 and 6.2.3); None: unfit."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    path = _UNRESERVED.sub(_plain, parts.path) or "/"
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if path.endswith(("/.", "/..")):
        kept.append("")
    return parts.scheme, parts.hostname, port or default, "/" + "/".join(kept)


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    is_unreserved = character.isascii() and (character.isalnum() or character in "-._~")
    return character if is_unreserved else escape[0].upper()
