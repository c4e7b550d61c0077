"""DPoP at identity's own endpoints (statement 25) and the rules of the profile fapi2."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from flask import Flask

from servicekit.database import Database
from services.identity.app import create_app
from services.identity.settings import Settings
from tests.identity.callers import Browser, Program, basic
from tests.identity.fapi.conftest import Party
from tests.support.clock import FakeClock
from tests.support.issuer import ProofKey


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_proof_binds_the_access_token_of_any_client(plain: Party) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    answer = plain.post("token", form).json
    assert answer["token_type"] == "DPoP"
    assert claims(answer["access_token"])["cnf"] == {"jkt": plain.key.thumbprint}
    answer = plain.post("token", form, None).json
    assert answer["token_type"] == "Bearer"
    assert "cnf" not in claims(answer["access_token"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"htm": "GET"},
        {"htu": "http://localhost:8000/identity/par"},
        {"htu": "http://evil.example/identity/token"},
        {"iat": 5},
        {"iat": 2**40},
        {"jti": None},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": ProofKey().jwk}},
        {"header": {"jwk": {"kty": "oct", "k": "AAAA"}}},
    ],
)
def test_security_25_a_wrong_proof_is_refused_at_the_token_endpoint(
    plain: Party, wrong: dict[str, Any]
) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    answer = plain.post("token", form, plain.proof("token", **wrong))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_dpop_proof")


def test_security_25_two_proofs_are_refused(plain: Party) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    both = f"{plain.proof('token')},{plain.proof('token')}"
    assert plain.post("token", form, both).json["error"] == "invalid_dpop_proof"


def test_security_25_a_replayed_proof_is_refused_across_processes(
    plain: Party, settings: Settings, file_database: Database, clock: FakeClock
) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    proof = plain.proof("token")
    assert plain.post("token", form, proof).status_code == 200
    assert plain.post("token", form, proof).json["error"] == "invalid_dpop_proof"
    another: Flask = create_app(settings, database=file_database, clock=clock)
    plain.program = Program(another)
    assert plain.post("token", form, proof).json["error"] == "invalid_dpop_proof"


def test_security_25_one_proof_sent_eight_times_at_once_works_once(plain: Party) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    proof = plain.proof("token")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: plain.post("token", form, proof).status_code, range(8)))
    assert sorted(answers) == [200] + [400] * 7


def test_security_25_userinfo_wants_the_proof_of_a_bound_token(
    strict: Party, browser: Browser
) -> None:
    token = strict.redeem(strict.code(browser, strict.push())).json["access_token"]

    def proof(**more: Any) -> str:
        return strict.proof("userinfo", token, "GET", **more)

    assert strict.userinfo(token, proof()).json["name"] == "Aishath Demo"
    used = proof()
    assert strict.userinfo(token, used).status_code == 200
    for wrong, scheme in [
        (used, "DPoP"),
        (None, "DPoP"),
        (None, "Bearer"),
        (proof(), "Bearer"),
        (proof(ath="x"), "DPoP"),
        (proof(ath=None), "DPoP"),
        (proof(htm="POST"), "DPoP"),
        (proof(htu="http://localhost:8000/identity/token"), "DPoP"),
        (ProofKey().proof("GET", "http://localhost:8000/identity/userinfo", token), "DPoP"),
    ]:
        answer = strict.userinfo(token, wrong, scheme)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("DPoP ")


def test_security_25_a_proof_without_a_bound_token_is_refused(
    plain: Party, browser: Browser
) -> None:
    token = plain.redeem(plain.code(browser), None).json["access_token"]
    assert plain.userinfo(token, None, "Bearer").status_code == 200
    assert plain.userinfo(token, plain.proof("userinfo", token, "GET")).status_code == 401


def test_a_public_clients_refresh_token_works_with_its_key_alone(
    public: Party, browser: Browser
) -> None:
    tokens = public.redeem(public.code(browser)).json
    own, public.key = public.key, ProofKey()
    assert public.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert public.refresh(tokens["refresh_token"], None).json["error"] == "invalid_grant"
    public.key = own
    answer = public.refresh(tokens["refresh_token"]).json  # the wrong tries have spent nothing
    assert claims(answer["access_token"])["cnf"] == {"jkt": own.thumbprint}


def test_a_confidential_client_may_change_its_key_between_refreshes(
    plain: Party, browser: Browser
) -> None:
    tokens = plain.redeem(plain.code(browser)).json
    plain.key = ProofKey()
    answer = plain.refresh(tokens["refresh_token"]).json
    assert claims(answer["access_token"])["cnf"] == {"jkt": plain.key.thumbprint}


# -- the profile


def test_a_strict_client_gets_no_bearer_token(strict: Party, browser: Browser) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    assert strict.post("token", form, None).json["error"] == "invalid_dpop_proof"
    code = strict.code(browser, strict.push())
    assert strict.redeem(code, None).json["error"] == "invalid_dpop_proof"
    tokens = strict.redeem(code).json  # a missing proof has not spent the code
    assert strict.refresh(tokens["refresh_token"], None).json["error"] == "invalid_dpop_proof"


def test_a_strict_clients_refresh_token_is_not_rotated(strict: Party, browser: Browser) -> None:
    tokens = strict.redeem(strict.code(browser, strict.push())).json
    for _ in range(3):
        answer = strict.refresh(tokens["refresh_token"])
        assert answer.status_code == 200
        assert answer.json.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]


def test_a_strict_clients_assertion_names_the_issuer_alone(strict: Party) -> None:
    form = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    for aud in (
        "http://localhost:8000/identity/token",
        ["http://localhost:8000/identity", "http://localhost:8000/identity/token"],
        "http://localhost:8000/identity/",
        "",
        [],
    ):
        answer = strict.post("token", {**form, **strict.assertion(aud=aud)})
        assert answer.json["error"] == "invalid_client"
    assert strict.post("token", form).status_code == 200


def test_a_strict_client_with_a_shared_secret_is_refused(
    register: Callable[..., Party], program: Program
) -> None:
    from services.identity.domain.digests import fingerprint

    party = register(
        "clinic",
        profile="fapi2",
        auth_method="client_secret_basic",
        secret_hash=fingerprint("clinic-secret"),
    )
    for path, form in (
        ("token", {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}),
        ("par", party.request()),
    ):
        headers = {**basic("clinic"), "DPoP": party.proof(path)}
        answer = program.call("POST", f"/identity/{path}", data=form, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (400, "unauthorized_client")


def test_security_11_a_strict_clients_code_lives_a_minute(
    strict: Party, browser: Browser, clock: FakeClock
) -> None:
    code = strict.code(browser, strict.push())  # 31 seconds old
    clock.advance(seconds=30)
    assert strict.redeem(code).json["error"] == "invalid_grant"


def test_a_strict_client_registered_for_rs256_is_refused(register: Callable[..., Party]) -> None:
    party = register("clinic", profile="fapi2", id_token_alg="RS256")
    assert party.post("par", party.request(), None).json["error"] == "unauthorized_client"
