"""Pushed authorization requests (statement 8): bound to the client, a minute long, one code."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.identity.callers import Browser, Program, query_of
from tests.identity.fapi.conftest import CALLBACK, ISSUER, Party
from tests.support.clock import FakeClock
from tests.support.issuer import ProofKey


def test_a_pushed_request_signs_a_person_in(strict: Party, browser: Browser) -> None:
    uri = strict.push()
    page = strict.authorize(browser, uri)
    assert page.headers["Location"].startswith("/identity/sign-in")
    assert (
        "form-action 'self' https://health.example"
        in (browser.get(page.headers["Location"]).headers["Content-Security-Policy"])
    )
    answer = query_of(browser.sign_in("aishath", page.headers["Location"]))
    assert answer["iss"] == ISSUER
    tokens = strict.redeem(answer["code"]).json
    assert tokens["token_type"] == "DPoP"
    assert tokens["scope"] == "openid profile"


def test_security_08_a_pushed_request_lives_sixty_seconds(
    strict: Party, browser: Browser, clock: FakeClock
) -> None:
    answer = strict.post("par", strict.request(), None)
    assert 5 <= answer.json["expires_in"] <= 60
    clock.advance(seconds=59)
    assert strict.authorize(browser, answer.json["request_uri"]).status_code == 303
    late = strict.push()
    clock.advance(seconds=60)
    page = strict.authorize(browser, late)
    assert page.status_code == 400
    assert "Location" not in page.headers


def test_a_person_has_time_to_sign_in_once_the_browser_has_brought_the_request(
    strict: Party, browser: Browser, clock: FakeClock
) -> None:
    page = strict.authorize(browser, strict.push())
    clock.advance(minutes=10)
    assert "code" in query_of(browser.sign_in("aishath", page.headers["Location"]))
    page = strict.authorize(
        Browser(browser.client.application, {"people": {}}, clock), strict.push()
    )
    clock.advance(minutes=31)
    assert browser.get(page.headers["Location"]).status_code == 400


def test_security_08_a_pushed_request_gives_one_code(strict: Party, browser: Browser) -> None:
    uri = strict.push()
    strict.code(browser, uri)
    again = strict.authorize(browser, uri)
    assert again.status_code == 400
    assert "Location" not in again.headers


def test_security_08_eight_browsers_at_once_get_one_code(strict: Party, browser: Browser) -> None:
    strict.code(browser, strict.push())  # from here on the person is signed in
    uri, cookie = strict.push(), browser.cookie()

    def ask(_: int) -> bool:
        answer = strict.program.call(
            "GET",
            f"/identity/authorize?client_id=health&request_uri={uri}",
            headers={"Cookie": f"atoll_identity={cookie}"},
        )
        assert answer.status_code < 500
        return "code=" in answer.headers.get("Location", "")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1


def test_security_08_a_pushed_request_is_bound_to_its_client(
    strict: Party, plain: Party, browser: Browser
) -> None:
    uri = strict.push()
    assert plain.authorize(browser, uri).status_code == 400
    assert browser.get(f"/identity/authorize?request_uri={uri}").status_code == 400
    assert strict.authorize(browser, uri).status_code == 303


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/request.jwt",
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:" + "A" * 43,
        "urn:ietf:params:oauth:request_uri:" + "A" * 5000,
        "urn:example:x",
        "\x00",
    ],
)
def test_security_08_no_other_request_uri_is_taken(
    strict: Party, browser: Browser, uri: str
) -> None:
    page = strict.authorize(browser, uri)
    assert page.status_code == 400


def test_security_08_a_request_object_is_refused_here_and_there(
    strict: Party, browser: Browser
) -> None:
    assert strict.post("par", strict.request(request="e30.e30."), None).json["error"] == (
        "request_not_supported"
    )
    uri = strict.push()
    answer = strict.post("par", strict.request(request_uri=uri), None)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_what_the_browser_adds_is_ignored(strict: Party, browser: Browser) -> None:
    uri = strict.push(state="pushed")
    page = strict.authorize(
        browser, uri, state="forged", redirect_uri="https://evil.example/", scope="openid"
    )
    page = browser.sign_in("aishath", page.headers["Location"])
    assert page.headers["Location"].startswith(CALLBACK)
    assert query_of(page)["state"] == "pushed"


def test_pushing_needs_the_clients_authentication(strict: Party, program: Program) -> None:
    form = strict.request()
    for more in ({}, {"client_secret": "x"}, strict.assertion(iss="ferries", sub="ferries")):
        answer = program.call("POST", "/identity/par", data=form | more)
        assert answer.status_code == 401
        assert answer.json["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "platform.operate"}, "invalid_scope"),
        ({"resource": "urn:atoll:moon"}, "invalid_target"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"client_id": "ferries"}, None),
    ],
)
def test_a_wrong_request_is_refused_when_it_is_pushed(
    strict: Party, changes: dict[str, str | None], error: str | None
) -> None:
    answer = strict.post("par", strict.request(**changes), None)
    assert answer.status_code in (400, 401)
    assert "Location" not in answer.headers
    assert error is None or answer.json["error"] == error


def test_parameters_twice_or_in_the_query_are_refused(strict: Party, program: Program) -> None:
    form = {**strict.request(), **strict.assertion(), "state": ["a", "b"]}
    assert program.call("POST", "/identity/par", data=form).status_code == 400
    form = {**strict.request(), **strict.assertion()}
    assert program.call("POST", "/identity/par?x=1", data=form).status_code == 400
    assert program.call("POST", "/identity/par", json=form).status_code == 400


def test_a_strict_client_must_push(strict: Party, browser: Browser) -> None:
    page = browser.get("/identity/authorize", query_string=strict.request())
    answer = query_of(page)
    assert answer["error"] == "invalid_request"
    assert answer["iss"] == ISSUER


def test_any_client_may_push(plain: Party, public: Party, browser: Browser) -> None:
    for party in (plain, public):
        assert party.redeem(party.code(browser, party.push()), None).status_code == 200


def test_the_metadata_names_the_endpoint(program: Program) -> None:
    found = program.call("GET", "/identity/.well-known/openid-configuration").json
    assert found["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA"]
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in found["grant_types_supported"]


# -- a code bound to a key


def test_security_12_a_code_bound_by_the_pushed_proof_needs_that_key(
    strict: Party, browser: Browser
) -> None:
    code = strict.code(browser, strict.push(strict.proof("par")))
    own, strict.key = strict.key, ProofKey()
    assert strict.redeem(code).json["error"] == "invalid_grant"
    strict.key = own
    assert strict.redeem(code).json["error"] == "invalid_grant"  # the try has spent it
    code = strict.code(browser, strict.push(strict.proof("par")))
    assert strict.redeem(code).status_code == 200


def test_security_12_a_code_bound_by_dpop_jkt_needs_that_key(
    plain: Party, browser: Browser
) -> None:
    for key, status in ((ProofKey(), 400), (plain.key, 200)):
        code = plain.code(browser, plain.push(dpop_jkt=key.thumbprint))
        assert plain.redeem(code).status_code == status
    code = plain.code(browser, plain.push(dpop_jkt=plain.key.thumbprint))
    assert plain.redeem(code, None).status_code == 400


def test_a_proof_of_another_key_than_dpop_jkt_is_refused(strict: Party) -> None:
    form = strict.request(dpop_jkt=ProofKey().thumbprint)
    assert strict.post("par", form).json["error"] == "invalid_dpop_proof"


NAMES = ["client_id", "redirect_uri", "scope", "state", "dpop_jkt", "request_uri", "acr_values"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(NAMES), text=st.text(), proof=st.text(st.characters(max_codepoint=255)))
def test_no_pushed_request_makes_a_fault(strict: Party, name: str, text: str, proof: str) -> None:
    proof = "".join(letter for letter in proof if letter.isprintable())
    answer = strict.post("par", strict.request(**{name: text}), proof or None)
    assert answer.status_code < 500
