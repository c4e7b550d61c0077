"""DPoP proofs (statement 25): each member wrong, each replay, each disguise of a key."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.dpop import InvalidProof, ProofMemory, check_proof, key_thumbprint
from servicekit.tokens import check_confirmation
from tests.support.issuer import FakeIssuer, ProofKey

URL = "http://localhost:8000/registers/island/records"
KEY = ProofKey()


def check(*proofs: str, url: str = URL, method: str = "GET", **options: Any) -> str:
    options = {"now": time.time(), "take": ProofMemory().take} | options
    return check_proof(proofs, method=method, url=url, **options)


def test_a_good_proof_gives_the_thumbprint_of_its_key() -> None:
    assert check(KEY.proof("GET", URL)) == KEY.thumbprint
    assert check(KEY.proof("GET", URL, "t0ken"), access_token="t0ken") == KEY.thumbprint


@pytest.mark.parametrize(
    "wrong",
    [
        {"htm": "POST"},
        {"htm": "get"},
        {"htm": None},
        {"htu": "http://localhost:8000/registers"},
        {"htu": "https://localhost:8000/registers/island/records"},
        {"htu": "http://localhost:8001/registers/island/records"},
        {"htu": "http://evil.example/registers/island/records"},
        {"htu": None},
        {"htu": 7},
        {"htu": "http://[/"},
        {"ath": "x"},
        {"ath": None},
        {"iat": int(time.time()) - 3600},
        {"iat": int(time.time()) + 86_400},  # collected long before it runs
        {"iat": None},
        {"iat": "now"},
        {"iat": float("inf")},
        {"iat": float("nan")},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "x" * 300},
    ],
)
def test_security_25_a_proof_with_a_wrong_claim_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidProof) as caught:
        check(KEY.proof("GET", URL, "t0ken", **wrong), access_token="t0ken")
    assert caught.value.headers["WWW-Authenticate"].startswith('DPoP realm="atoll", error=')


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": None},
        {"jwk": "key"},
        {"jwk": []},
        {"jwk": {}},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"jwk": KEY.jwk | {"d": "AAAA"}},
        {"jwk": KEY.jwk | {"crv": "P-384"}},
        {"jwk": KEY.jwk | {"x": KEY.jwk["y"]}},
        {"jwk": KEY.jwk | {"x": 7}},
        {"jwk": KEY.jwk | {"x": "\ud800"}},
        {"jwk": ProofKey().jwk},
        {"jku": "https://evil.example/jwks"},
        {"x5c": ["AAAA"]},
        {"crit": ["b64"], "b64": False},
    ],
)
def test_security_25_a_proof_with_a_wrong_header_is_refused(header: dict[str, Any]) -> None:
    good_head, body, signature = KEY.proof("GET", URL).split(".")
    members = json.loads(base64.urlsafe_b64decode(good_head + "=="))
    head = json.dumps(members | header).encode()
    text = base64.urlsafe_b64encode(head).decode().rstrip("=")
    with pytest.raises(InvalidProof):
        check(f"{text}.{body}.{signature}")
    if not {"jwk", "crit"} & set(header):  # the same, well signed
        with pytest.raises(InvalidProof):
            check(KEY.proof("GET", URL, header=header))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", 7, None, ["ES256"]])
def test_security_25_a_proof_by_another_algorithm_is_refused(algorithm: object) -> None:
    parts = KEY.proof("GET", URL).split(".")
    head = json.dumps({"typ": "dpop+jwt", "alg": algorithm, "jwk": KEY.jwk}).encode()
    parts[0] = base64.urlsafe_b64encode(head).decode().rstrip("=")
    with pytest.raises(InvalidProof):
        check(".".join(parts))


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "x" * 9000, "..", "e30.e30.e30", "\ud800.a.b", KEY.proof("GET", URL) + "=="],
)
def test_security_25_what_is_no_jwt_is_refused(text: str) -> None:
    with pytest.raises(InvalidProof):
        check(text)


def test_security_25_a_deeply_nested_header_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=")
    with pytest.raises(InvalidProof):
        check(f"{deep}.e30.AAAA")


def test_security_25_none_or_two_headers_are_refused() -> None:
    with pytest.raises(InvalidProof, match="Send a DPoP proof"):
        check()
    with pytest.raises(InvalidProof, match="exactly one"):
        check(KEY.proof("GET", URL), KEY.proof("GET", URL))


def test_security_25_a_replayed_proof_is_refused_for_as_long_as_it_is_fresh() -> None:
    memory, now = ProofMemory(), time.time()
    proof = KEY.proof("GET", URL, iat=int(now) + 9)
    check(proof, take=memory.take, now=now)
    for later in (0, 30, 68):
        with pytest.raises(InvalidProof, match="before"):
            check(proof, take=memory.take, now=now + later)
    with pytest.raises(InvalidProof, match="iat"):
        check(proof, take=memory.take, now=now + 71)


def test_the_same_jti_of_another_key_is_another_proof() -> None:
    memory = ProofMemory()
    check(KEY.proof("GET", URL, jti="one"), take=memory.take)
    check(ProofKey().proof("GET", URL, jti="one"), take=memory.take)


def test_a_wrong_proof_does_not_use_up_its_jti() -> None:
    memory = ProofMemory()
    proof = KEY.proof("GET", URL)
    with pytest.raises(InvalidProof):
        check(proof, take=memory.take, method="POST")
    check(proof, take=memory.take)


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    memory = ProofMemory(capacity=2)
    assert [memory.take(name, 0) for name in ("a", "b", "c", "a")] == [True, True, False, False]
    assert memory.take("c", 100)


@pytest.mark.parametrize(
    "written",
    [
        "HTTP://LOCALHOST:8000/registers/island/records",
        URL + "?page=2#top",
        "http://localhost:8000/registers/./x/../island/records",
        "http://localhost:8000/registers/%69sland/records",
    ],
)
def test_an_address_may_be_written_in_equal_ways(written: str) -> None:
    assert check(KEY.proof("GET", written)) == KEY.thumbprint


def test_a_default_port_is_no_difference() -> None:
    proof = KEY.proof("GET", "https://atoll.example:443/x%2fy")
    assert check(proof, url="https://atoll.example/x%2Fy?q=1") == KEY.thumbprint


def test_keys_of_the_other_algorithms_are_taken() -> None:
    claims = {"htm": "GET", "htu": URL, "iat": int(time.time()), "jti": "j"}
    strong = rsa.generate_private_key(65537, 2048)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(strong.public_key(), as_dict=True)
    header = {"typ": "dpop+jwt", "jwk": jwk}
    assert check(jwt.encode(claims, strong, "PS256", header)) == key_thumbprint(jwk, "PS256")
    edwards = ed25519.Ed25519PrivateKey.generate()
    okp: Any = jwt.algorithms.OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)
    header = {"typ": "dpop+jwt", "jwk": okp}
    assert check(jwt.encode(claims, edwards, "EdDSA", header)) == key_thumbprint(okp, "EdDSA")


def test_security_25_a_weak_key_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True)
    with pytest.raises(ValueError, match="short"):
        key_thumbprint(jwk, "PS256")
    other = ec.generate_private_key(ec.SECP384R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    with pytest.raises(ValueError, match="not one for this algorithm"):
        key_thumbprint(jwk, "ES256")


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_no_header_is_ever_an_error_of_ours(raw: bytes) -> None:
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    with pytest.raises(InvalidProof):
        check(f"{text}.{text}.{text}")


# -- a token and its proof


def test_security_25_a_bound_token_sent_as_bearer_is_refused(issuer: FakeIssuer) -> None:
    text = issuer.token("registers", bound_to=KEY)
    token = issuer.verifier().verify(text, "urn:atoll:registers")
    check_confirmation(token, "dpop", KEY.thumbprint)
    for scheme, proof in [
        ("bearer", None),
        ("bearer", KEY.thumbprint),
        ("dpop", None),
        ("dpop", ProofKey().thumbprint),
        ("dpop", "\udcff"),
    ]:
        with pytest.raises(InvalidProof) as caught:
            check_confirmation(token, scheme, proof)
        assert 'error="invalid_token"' in caught.value.headers["WWW-Authenticate"]


def test_security_25_a_proof_without_a_bound_token_is_refused(issuer: FakeIssuer) -> None:
    token = issuer.verifier().verify(issuer.token("registers"), "urn:atoll:registers")
    check_confirmation(token, "bearer", None)
    for scheme, proof in [("dpop", None), ("dpop", KEY.thumbprint), ("bearer", KEY.thumbprint)]:
        with pytest.raises(InvalidProof):
            check_confirmation(token, scheme, proof)
