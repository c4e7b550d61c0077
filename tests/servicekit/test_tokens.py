"""Access tokens: what is refused, and how keys survive an identity service that is away."""

import base64
import json
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from servicekit.problems import Unauthenticated
from servicekit.tokens import KeySource, Token, UnknownKey, Verifier, bearer
from tests.support.issuer import FakeIssuer

AUDIENCE = "urn:atoll:registers"


def test_a_good_token_gives_its_claims(issuer: FakeIssuer) -> None:
    text = issuer.token(
        "registers", "registers.read registers.append", roles=["registers:custodian:island"]
    )
    token = issuer.verifier().verify(text, AUDIENCE)
    assert token.scopes == {"registers.read", "registers.append"}
    assert token.roles == {"registers:custodian:island"}
    assert not token.is_person


def test_a_persons_token_is_told_from_a_machines(issuer: FakeIssuer) -> None:
    token = issuer.verifier().verify(issuer.token("registers", subject="p1"), AUDIENCE)
    assert token.is_person


def test_a_token_for_another_service_is_refused_and_says_which(issuer: FakeIssuer) -> None:
    with pytest.raises(Unauthenticated, match="audience is urn:atoll:registers"):
        issuer.verifier().verify(issuer.token("notify"), AUDIENCE)


@pytest.mark.parametrize(("seconds", "fine"), [(-4, True), (-61, False), (0, True)])
def test_expiry_has_a_leeway_of_seconds(issuer: FakeIssuer, seconds: int, fine: bool) -> None:
    text = issuer.token("registers", lifetime_s=seconds)
    if fine:
        issuer.verifier().verify(text, AUDIENCE)
    else:
        with pytest.raises(Unauthenticated, match="expired"):
            issuer.verifier().verify(text, AUDIENCE)


def test_a_cached_token_still_expires(issuer: FakeIssuer) -> None:
    now = [time.time()]
    verifier = Verifier(KeySource(issuer.jwks), issuer.issuer, now=lambda: now[0])
    text = issuer.token("registers", lifetime_s=30)
    verifier.verify(text, AUDIENCE)
    now[0] += 40
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.verify(text, AUDIENCE)


def test_a_token_from_the_future_is_refused(issuer: FakeIssuer) -> None:
    with pytest.raises(Unauthenticated, match="not valid yet"):
        issuer.verifier().verify(issuer.token("registers", iat=int(time.time()) + 60), AUDIENCE)


@pytest.mark.parametrize("missing", ["exp", "jti", "client_id", "sub", "iat", "iss", "aud"])
def test_a_token_without_a_required_claim_is_refused(issuer: FakeIssuer, missing: str) -> None:
    claims = jwt.decode(issuer.token("registers"), options={"verify_signature": False})
    del claims[missing]
    with pytest.raises(Unauthenticated):
        issuer.verifier().verify(_sign(issuer, claims), AUDIENCE)


def test_an_id_token_is_no_access_token(issuer: FakeIssuer) -> None:
    with pytest.raises(Unauthenticated, match="typ"):
        issuer.verifier().verify(issuer.token("registers", typ="JWT"), AUDIENCE)


def test_forged_tokens_are_refused_and_never_an_error(issuer: FakeIssuer) -> None:
    good = issuer.token("registers")
    claims = jwt.decode(good, options={"verify_signature": False})
    other = FakeIssuer()
    other.kid = issuer.kid
    public = issuer.private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body, signature = good.split(".")
    forged = [
        _sign(other, claims),
        _raw({"alg": "none", "typ": "at+jwt", "kid": issuer.kid}, claims, b""),
        _raw({"alg": "HS256", "typ": "at+jwt", "kid": issuer.kid}, claims, public),
        _raw({"alg": "ES256", "typ": "at+jwt", "kid": ["x"]}, claims, b"s"),
        _raw({"alg": "ES256", "typ": "at+jwt", "kid": {"a": 1}}, claims, b"s"),
        _raw({"alg": "ES256", "typ": "at+jwt", "kid": "' OR 1=1"}, claims, b"s"),
        f"{good}==",
        f"{head}.{body}.",
        f"{head}..{signature}",
        json.dumps({"payload": body, "signature": signature}),
        "x" * 9000,
        "",
        "\ud800.a.b",
    ]
    verifier = issuer.verifier()
    verifier.verify(good, AUDIENCE)
    for text in forged:
        with pytest.raises(Unauthenticated):
            verifier.verify(text, AUDIENCE)


def test_a_denied_token_is_refused_even_when_cached(issuer: FakeIssuer) -> None:
    denied: set[str] = set()

    def is_denied(token: Token) -> bool:
        return token.jti in denied

    verifier = Verifier(KeySource(issuer.jwks), issuer.issuer, denied=is_denied)
    text = issuer.token("registers")
    denied.add(verifier.verify(text, AUDIENCE).jti)
    with pytest.raises(Unauthenticated, match="revoked"):
        verifier.verify(text, AUDIENCE)


def test_known_keys_serve_for_an_hour_while_identity_is_away(issuer: FakeIssuer) -> None:
    now = [0.0]
    away = threading.Event()

    def fetch() -> dict[str, object]:
        if away.is_set():
            raise ConnectionError
        return issuer.jwks()

    keys = KeySource(fetch, monotonic=lambda: now[0])
    verifier = Verifier(keys, issuer.issuer)
    verifier.verify(issuer.token("registers"), AUDIENCE)
    away.set()
    for now[0] in (301, 1000, 3599):
        verifier.verify(issuer.token("registers"), AUDIENCE)
    now[0] = 3700
    with pytest.raises(Unauthenticated, match="does not publish"):
        verifier.verify(issuer.token("registers"), AUDIENCE)
    away.clear()
    now[0] = 3800
    verifier.verify(issuer.token("registers"), AUDIENCE)


def test_a_flood_of_unknown_keys_costs_one_fetch_per_cool_down(issuer: FakeIssuer) -> None:
    now = [0.0]
    verifier = Verifier(KeySource(issuer.jwks, monotonic=lambda: now[0]), issuer.issuer)
    strangers = [FakeIssuer() for _ in range(20)]
    for stranger in strangers:
        with pytest.raises(Unauthenticated):
            verifier.verify(stranger.token("registers"), AUDIENCE)
    assert issuer.fetches == 1
    now[0] = 11
    with pytest.raises(Unauthenticated):
        verifier.verify(strangers[0].token("registers"), AUDIENCE)
    assert issuer.fetches == 2


def test_a_caller_that_must_not_wait_is_told_to_fetch_elsewhere(issuer: FakeIssuer) -> None:
    keys = KeySource(issuer.jwks)
    verifier = Verifier(keys, issuer.issuer)
    text = issuer.token("registers")
    with pytest.raises(UnknownKey):
        verifier.verify(text, AUDIENCE, may_fetch=False)
    assert issuer.fetches == 0
    keys.refresh()
    verifier.verify(text, AUDIENCE, may_fetch=False)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  "])
def test_a_missing_bearer_says_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="Authorization: Bearer TOKEN") as caught:
        bearer(header)
    assert "error=" not in caught.value.headers["WWW-Authenticate"]


def _sign(issuer: FakeIssuer, claims: dict[str, object]) -> str:
    return jwt.encode(claims, issuer.private_key, "ES256", {"kid": issuer.kid, "typ": "at+jwt"})


def _raw(header: dict[str, object], claims: dict[str, object], key: bytes) -> str:
    import hashlib
    import hmac

    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    signed = b".".join(parts)
    signature = hmac.new(key, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_a_key_on_another_curve_is_not_used(issuer: FakeIssuer) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = KeySource(lambda: {"keys": [{**jwk, "kid": "p384"}]})
    keys.refresh()
    with pytest.raises(UnknownKey):
        keys.key("p384")
