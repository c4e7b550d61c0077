"""API2: who a caller is cannot be forged, guessed or borrowed."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.people import Callers, slug


def test_api2_broken_authentication_no_forged_token_opens_anything(callers: Callers) -> None:
    genuine = callers.running.token("sandbox", "gateway", "exchanges.overview")
    assert callers.ask("GET", "/exchanges?limit=1", genuine).status_code == 200
    head, claims, signature = genuine.split(".")
    header = json.loads(_decoded(head))
    said = json.loads(_decoded(claims))
    more = said | {"scope": "platform.operate", "exp": said["exp"] + 86_400}
    [public, *_] = callers.ask("GET", "/identity/jwks").json()["keys"]
    foreign = ec.generate_private_key(ec.SECP256R1())
    forged = {
        "no signature": f"{head}.{claims}.",
        "other claims": f"{head}.{_encoded(more)}.{signature}",
        "alg none": f"{_encoded(header | {'alg': 'none'})}.{_encoded(more)}.",
        "alg None": f"{_encoded(header | {'alg': 'None'})}.{_encoded(more)}.{signature}",
        "a key of its own": jwt.encode(more, foreign, "ES256", {**header}),
        "a key in the header": jwt.encode(
            more, foreign, "ES256", {**header, "jwk": jwt.algorithms.ECAlgorithm.to_jwk(
                foreign.public_key(), as_dict=True)}
        ),
        "a key from elsewhere": jwt.encode(
            more, foreign, "ES256", {**header, "jku": "https://evil.example/jwks"}
        ),
        "the public key as a secret": _hs256(header, more, json.dumps(public).encode()),
        "another kid": jwt.encode(more, foreign, "ES256", {**header, "kid": "../../dev/null"}),
        "cut": genuine[:-4],
        "nothing": "x",
        "an ID token": callers.grant("aishath")["id_token"],
        "for another service": callers.running.token("sandbox", "registers", "registers.read"),
    }  # fmt: skip
    for name, token in forged.items():
        for method, path in (("GET", "/exchanges"), ("POST", "/operate/reset")):
            answer = callers.ask(method, path, token)
            assert (answer.status_code, slug(answer)) == (401, "unauthenticated"), name
            assert "WWW-Authenticate" in answer.headers
    for carried in (f"access_token={genuine}", f"token={genuine}"):
        assert callers.ask("GET", f"/exchanges?{carried}").status_code == 401


def test_api2_broken_authentication_secrets_are_not_guessed(callers: Callers) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    for auth in (
        *(("sandbox", ""), ("sandbox", "wrong"), ("nobody", "wrong"), ("", "")),
        ("sandbox", callers.secret("portal")[1]),
    ):
        answer = callers.ask("POST", "/identity/token", data=form, auth=auth)
        assert answer.status_code == 401, auth
        assert answer.json()["error"] == "invalid_client"
        assert "access_token" not in answer.json()
    used = callers.grant("aishath")["refresh_token"]
    again = {"grant_type": "refresh_token", "refresh_token": used}
    stolen = callers.ask("POST", "/identity/token", data=again, auth=callers.secret("fisheries"))
    assert stolen.status_code == 400


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _hs256(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    signed = f"{_encoded(header | {'alg': 'HS256'})}.{_encoded(claims | {'iat': int(time.time())})}"
    mac = hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
