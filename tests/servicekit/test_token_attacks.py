"""Access tokens under attack: statements 18 to 23, and what verification may cost."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.problems import Unauthenticated
from servicekit.tokens import DenyList, KeySource, Verifier
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

AUDIENCE = "urn:atoll:registers"
ISSUER = FakeIssuer()


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def claims_of(text: str) -> dict[str, Any]:
    return jwt.decode(text, options={"verify_signature": False})


def signed(header: dict[str, Any], claims: object, issuer: FakeIssuer = ISSUER) -> str:
    """Sign whatever header with the issuer's own key: only the header can give it away."""
    text = f"{encoded(header)}.{encoded(claims)}"
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    return f"{text}.{encoded(algorithm.sign(text.encode(), issuer.private_key))}"


def refused(text: str, verifier: Verifier | None = None) -> None:
    with pytest.raises(Unauthenticated):
        (verifier or ISSUER.verifier()).verify(text, AUDIENCE)


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "dpop+jwt", "", None, 5, ["at+jwt"]])
def test_security_18_only_an_access_token_is_one(typ: object) -> None:
    claims = claims_of(ISSUER.token("registers"))
    refused(signed({"alg": "ES256", "kid": ISSUER.kid, "typ": typ}, claims))


def test_security_18_a_token_has_one_audience() -> None:
    refused(ISSUER.token("notify"))
    refused(ISSUER.token("registers", aud=["urn:atoll:registers", "urn:atoll:notify"]))
    refused(ISSUER.token("registers", iss="http://localhost:8000/other"))


PUBLIC = ISSUER.private_key.public_key()
PEM = PUBLIC.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
JWK = jwt.algorithms.ECAlgorithm.to_jwk(PUBLIC, as_dict=True)
MEMBERS: dict[str, dict[str, Any]] = {
    "embedded jwk": {"jwk": JWK},
    "jku": {"jku": "https://evil.example/jwks"},
    "x5u": {"x5u": "https://evil.example/key"},
    "x5c": {"x5c": ["AAAA"]},
    "crit": {"crit": ["exp"], "exp": 1},
    "b64 false": {"b64": False, "crit": ["b64"]},
    "b64 false without crit": {"b64": False},
    "zip": {"zip": "DEF"},
    "kid as path": {"kid": "../../etc/passwd"},
    "kid as SQL": {"kid": "x' OR '1'='1"},
    "kid as array": {"kid": [ISSUER.kid]},
    "kid as number": {"kid": 7},
    "kid as object": {"kid": {"a": 1}},
    "kid as null": {"kid": None},
    "kid of 3 kB": {"kid": "k" * 3000},
    "kid of 10 kB": {"kid": "k" * 10_000},
    "no algorithm": {"alg": "none"},
    "algorithm as list": {"alg": ["ES256"]},
    "algorithm as null": {"alg": None},
    "HS256": {"alg": "HS256"},
    "another algorithm": {"alg": "ES384"},
    "RS256 with an EC key": {"alg": "RS256"},
    "lone surrogate": {"kid": "\ud800"},
}


@pytest.mark.parametrize("case", MEMBERS)
def test_security_19_a_header_that_leads_elsewhere_is_refused(case: str) -> None:
    claims = claims_of(ISSUER.token("registers"))
    good = {"alg": "ES256", "kid": ISSUER.kid, "typ": "at+jwt"}
    ISSUER.verifier().verify(signed(good, claims), AUDIENCE)
    refused(signed(good | MEMBERS[case], claims))


@pytest.mark.parametrize("secret", [PEM, PEM.strip(), json.dumps(JWK).encode(), b""])
def test_security_19_the_public_key_is_no_shared_secret(secret: bytes) -> None:
    header = encoded({"alg": "HS256", "kid": ISSUER.kid, "typ": "at+jwt"})
    text = f"{header}.{encoded(claims_of(ISSUER.token('registers')))}"
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    refused(f"{text}.{encoded(digest)}")


def test_security_19_other_writings_of_a_token_are_refused() -> None:
    good = ISSUER.token("registers")
    head, body, signature = good.split(".")
    verifier = ISSUER.verifier()
    verifier.verify(good, AUDIENCE)
    for text in (
        f"{good}==",
        f"{good}=",
        f"{good}.",
        f" {good}",
        f"{good}\n",
        f"{head}.{body}.",
        f"{head}.{body}",
        f".{body}.{signature}",
        f"{head}..{signature}",
        json.dumps({"protected": head, "payload": body, "signature": signature}),
        json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}),
        "",
        ".",
        "..",
        "\x00.\x00.\x00",
        "\ud800.a.b",
        f"{encoded(b'[' * 4000)}.{body}.{signature}",
        f"{encoded(b'7' * 5000)}.{body}.{signature}",
        f"{encoded(b'[]')}.{body}.{signature}",
        f"{encoded(b'null')}.{body}.{signature}",
        "x" * 9000,
        f"{head}.{'x' * 9000}.{signature}",
    ):
        refused(text, verifier)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"exp": value} for value in (None, "soon", [], {}, float("inf"), float("nan"))),
        *({"iat": value} for value in (None, "soon", float("inf"), 10**400)),
        *({"nbf": value} for value in ("soon", [], float("inf"))),
        *({"sub": value} for value in (7, None, [])),
        *({"cnf": value} for value in ("x", {}, [], {"jkt": 7}, {"x5t#S256": "x"}, False)),
    ],
)
def test_security_19_claims_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    claims = claims_of(ISSUER.token("registers")) | wrong
    refused(signed({"alg": "ES256", "kid": ISSUER.kid, "typ": "at+jwt"}, claims))


@pytest.mark.parametrize("claims", [[], "text", 7, None, b"not json", b"\xff", b"[" * 5000])
def test_security_19_a_payload_that_is_no_object_is_refused(claims: object) -> None:
    refused(signed({"alg": "ES256", "kid": ISSUER.kid, "typ": "at+jwt"}, claims))


@settings(deadline=None)
@given(st.text(max_size=80), st.binary(max_size=60), st.binary(max_size=60))
def test_no_token_is_ever_an_error_of_ours(text: str, head: bytes, body: bytes) -> None:
    for given_text in (text, f"{encoded(head)}.{encoded(body)}.AAAA"):
        refused(given_text)


def test_security_19_a_key_of_another_curve_never_verifies() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    jwk: Any = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    keys = [jwk | {"kid": "p384"}, jwk | {"kid": "lie", "alg": "ES384"}]
    source = KeySource(lambda: {"keys": [*keys, *ISSUER.jwks()["keys"]]})
    verifier = Verifier(source, ISSUER.issuer)
    verifier.verify(ISSUER.token("registers"), AUDIENCE)
    for kid in ("p384", "lie"):
        refused(
            jwt.encode(
                claims_of(ISSUER.token("registers")),
                other,
                "ES384",
                {"kid": kid, "typ": "at+jwt"},
            ),
            verifier,
        )


def test_a_token_signed_with_rs256_is_as_good() -> None:
    text = ISSUER.token("registers", algorithm="RS256")
    assert ISSUER.verifier().verify(text, AUDIENCE).key_id == ISSUER.rsa_kid


def test_security_20_random_key_ids_cost_one_fetch_and_do_not_slow_good_tokens() -> None:
    issuer, now = FakeIssuer(), [0.0]
    verifier = Verifier(KeySource(issuer.jwks, monotonic=lambda: now[0]), issuer.issuer)
    good = issuer.token("registers")
    verifier.verify(good, AUDIENCE)
    now[0] = 11
    before = issuer.fetches
    body = encoded(claims_of(good))
    for _ in range(10_000):
        head = encoded({"alg": "ES256", "typ": "at+jwt", "kid": secrets.token_urlsafe(8)})
        refused(f"{head}.{body}.AAAA", verifier)
    assert issuer.fetches - before == 1
    verifier.verify(good, AUDIENCE)


class Hanging:
    """An identity service that stops answering until it is let go."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer, self.let_go = issuer, threading.Event()
        self.let_go.set()
        self.asked = 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if not self.let_go.wait(20):
            raise TimeoutError
        return self.issuer.jwks()


def test_security_21_identity_may_hang_for_ten_minutes_while_known_keys_verify() -> None:
    issuer, now = FakeIssuer(), [0.0]
    clock = FakeClock()
    hanging = Hanging(issuer)
    source = KeySource(hanging, monotonic=lambda: now[0])
    verifier = Verifier(source, issuer.issuer, now=lambda: clock.now().timestamp())

    def fresh() -> str:
        moment = int(clock.now().timestamp())
        return issuer.token("registers", iat=moment, exp=moment + 900)

    verifier.verify(fresh(), AUDIENCE)
    hanging.let_go.clear()
    for _ in range(60):  # ten minutes in steps of ten seconds; nothing here may wait for identity
        now[0] += 10
        clock.advance(seconds=10)
        verifier.verify(fresh(), AUDIENCE)
    while hanging.asked < 2:
        time.sleep(0.01)
    assert hanging.asked == 2  # one refresh is under way and no other was begun
    hanging.let_go.set()
    while not verifier_has_fresh_keys(source):
        time.sleep(0.01)
    verifier.verify(fresh(), AUDIENCE)


def verifier_has_fresh_keys(source: KeySource) -> bool:
    return source._monotonic() - source._fetched_at < 300


def test_security_21_forged_tokens_cannot_hold_every_thread_while_identity_hangs() -> None:
    issuer, now = FakeIssuer(), [0.0]
    hanging = Hanging(issuer)
    verifier = Verifier(KeySource(hanging, monotonic=lambda: now[0]), issuer.issuer)
    verifier.verify(issuer.token("registers"), AUDIENCE)
    hanging.let_go.clear()
    now[0] = 11
    stranger = FakeIssuer()
    done = threading.Semaphore(0)

    def forge() -> None:
        refused(stranger.token("registers"), verifier)
        done.release()

    threads = [threading.Thread(target=forge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(6):  # all but two are answered while identity hangs
        assert done.acquire(timeout=10)
    verifier.verify(issuer.token("registers"), AUDIENCE)
    hanging.let_go.set()
    for thread in threads:
        thread.join()


def test_security_22_keys_overlap_while_they_rotate() -> None:
    old, new, now = FakeIssuer(), FakeIssuer(), [0.0]
    published = [*old.jwks()["keys"], *new.jwks()["keys"]]
    source = KeySource(lambda: {"keys": published}, monotonic=lambda: now[0])
    verifier = Verifier(source, old.issuer)
    for issuer in (old, new, old):
        verifier.verify(issuer.token("registers"), AUDIENCE)
    del published[0]  # gone, after its last token has expired
    now[0] = 301
    source.refresh()
    verifier.verify(new.token("registers"), AUDIENCE)
    refused(old.token("registers"), verifier)


def test_security_22_a_withdrawn_key_stops_at_once_even_for_cached_tokens() -> None:
    denied = DenyList()
    verifier = Verifier(KeySource(ISSUER.jwks), ISSUER.issuer, denied=denied.covers)
    text = ISSUER.token("registers")
    verifier.verify(text, AUDIENCE)
    denied.keys.add(ISSUER.kid)
    refused(text, verifier)


@pytest.mark.parametrize("what", ["jtis", "grants", "clients", "keys"])
def test_each_list_denies_a_cached_token(what: str) -> None:
    denied = DenyList()
    verifier = Verifier(KeySource(ISSUER.jwks), ISSUER.issuer, denied=denied.covers)
    text = ISSUER.token("registers", grant_id="g1", client_id="portal", jti="j1")
    verifier.verify(text, AUDIENCE)
    name = {"jtis": "j1", "grants": "g1", "clients": "portal", "keys": ISSUER.kid}[what]
    getattr(denied, what).add(name)
    refused(text, verifier)
    getattr(denied, what).clear()
    verifier.verify(text, AUDIENCE)


@pytest.mark.parametrize(
    ("claims", "fine"),
    [
        ({"exp": -4}, True),
        ({"exp": -61}, False),
        ({"nbf": 4}, True),
        ({"nbf": 61}, False),
        ({"iat": 10}, True),
        ({"iat": 60}, False),
    ],
)
def test_security_23_times_have_a_leeway_of_seconds(claims: dict[str, int], fine: bool) -> None:
    now = time.time()
    verifier = Verifier(KeySource(ISSUER.jwks), ISSUER.issuer, now=lambda: now)
    text = ISSUER.token("registers", **{name: int(now) + s for name, s in claims.items()})
    if fine:
        verifier.verify(text, AUDIENCE)
    else:
        refused(text, verifier)


def test_actors_are_read_from_the_nearest_to_the_farthest() -> None:
    text = ISSUER.token("registers", subject="p1", actors=("fisheries", "portal"))
    assert ISSUER.verifier().verify(text, AUDIENCE).actors == ("fisheries", "portal")
    assert ISSUER.verifier().verify(ISSUER.token("registers"), AUDIENCE).actors == ()
