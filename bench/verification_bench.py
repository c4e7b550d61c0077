"""What verification costs a service: a new token, a remembered one, a proof of possession."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from bench.measure import Figure, Options, show
from servicekit.tokens import KeySource, ProofMemory, Verifier, check_proof

ISSUER, AUDIENCE = "http://localhost:8000/identity", "urn:atoll:demo"
URL = "http://localhost:8000/demo/things"
KEY = ec.generate_private_key(ec.SECP256R1())
JWK: Any = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)


def measure(options: Options) -> list[Figure]:
    """Measure and show each figure."""
    verifier = Verifier(KeySource(lambda: {"keys": [{**JWK, "kid": "k1"}]}), ISSUER)
    verifier.verify(_token(), AUDIENCE)
    size = 1000 if options.quick else 5000
    new = [_token() for _ in range(size)]
    remembered = _token()
    proofs, memory = [_proof() for _ in range(size)], ProofMemory()

    def check(proof: str) -> None:
        check_proof([proof], method="GET", url=URL, now=time.time(), take=memory.take)

    return [
        show(Figure("verify a new access token", _each(new, verifier), "µs", 100)),
        show(Figure("verify a remembered one", _each([remembered] * size, verifier), "µs", 5)),
        show(Figure("check a DPoP proof", _micros(proofs, check), "µs")),
    ]


def _each(tokens: list[str], verifier: Verifier) -> float:
    return _micros(tokens, lambda text: verifier.verify(text, AUDIENCE))


def _micros(values: list[str], action: Callable[[str], object]) -> float:
    began = time.thread_time()  # of the processor: others on the machine do not count
    for value in values:
        action(value)
    return (time.thread_time() - began) / len(values) * 1e6


def _token() -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": secrets.token_urlsafe(16),
        "aud": AUDIENCE,
        "client_id": "portal",
        "scope": "demo.read",
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 900,
        "roles": [],
        "acr": "substantial",
    }
    return jwt.encode(claims, KEY, "ES256", {"kid": "k1", "typ": "at+jwt"})


def _proof() -> str:
    claims = {"htm": "GET", "htu": URL, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
    return jwt.encode(claims, KEY, "ES256", {"typ": "dpop+jwt", "jwk": JWK})
