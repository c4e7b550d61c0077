"""The authorization endpoint: statements 1 to 10 of the identity profile."""

from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.identity.storage.tables import Code
from tests.identity.callers import REDIRECT_URI, Browser, Program, authorization, query_of
from tests.identity.clients import add_client, redeem

ISSUER = "http://localhost:8000/identity"


def error_of(response: TestResponse) -> str:
    """The error that went back to the client, with the issuer and the state beside it."""
    assert response.status_code == 303
    assert response.headers["Location"].startswith(REDIRECT_URI + "?"), response.headers["Location"]
    back = query_of(response)
    assert back["iss"] == ISSUER
    assert back["state"] == "a b&c"
    assert "code" not in back
    return back["error"]


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/portal/callback",
        REDIRECT_URI + "/more",
        REDIRECT_URI + "?added=1",
        REDIRECT_URI + "#fragment",
        "http://portal@localhost:8000/portal/callback",
        REDIRECT_URI.upper(),
        "http://localhost:8000//portal/callback",
        REDIRECT_URI + "\r\nX: y",
        "javascript:alert(1)",
        "http://127.0.0.1:8000/portal/callback",
        'http://localhost:8000/"\\',
        "ދިވެހި",
    ],
)
def test_security_1_an_unregistered_redirect_address_is_never_followed(
    browser: Browser, address: str
) -> None:
    response = browser.authorize(redirect_uri=address)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert response.mimetype == "text/html"
    assert "redirect_uri" in response.text


def test_security_2_the_redirect_address_must_be_sent(browser: Browser) -> None:
    for absent in (None, ""):
        response = browser.authorize(redirect_uri=absent)
        assert response.status_code == 400
        assert "Location" not in response.headers


@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "redirect_uri",
        "state",
        "code_challenge",
        "nonce",
        "response_type",
        "scope",
        "prompt",
        "max_age",
    ],
)
def test_security_3_a_parameter_sent_twice_is_refused(browser: Browser, name: str) -> None:
    values = authorization() | {"prompt": "login", "max_age": "9"}
    response = browser.get(
        "/identity/authorize", query_string=[*values.items(), (name, values[name])]
    )
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize("kind", ["token", "id_token token", "code token", "none", 'x"\\', ""])
def test_security_4_other_response_types_are_refused(browser: Browser, kind: str) -> None:
    response = browser.authorize(response_type=kind, state="a b&c")
    assert error_of(response) == "unsupported_response_type"


NATIVE = "http://127.0.0.1/callback"


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        (NATIVE, True),
        ("http://127.0.0.1:49152/callback", True),
        ("http://[::1]:7/callback", True),
        ("http://127.0.0.1:49152/callback/more", False),
        ("http://127.0.0.1:49152/", False),
        ("http://127.0.0.1:49152/callback?x=1", False),
        ("http://127.0.0.1:49152/callback#x", False),
        ("http://127.0.0.1:999999/callback", False),
        ("http://localhost:49152/callback", False),
        ("http://127.0.0.2:49152/callback", False),
        ("https://127.0.0.1:49152/callback", False),
        ("http://127.0.0.1@evil.example:80/callback", False),
        ("http://127.0.0.1:80@evil.example/callback", False),
        ("com.example.app:/callback", False),
    ],
)
def test_security_2_a_native_apps_loopback_address_varies_in_its_port_alone(
    app: Flask, browser: Browser, address: str, is_good: bool
) -> None:
    addresses = [NATIVE, "http://[::1]:1/callback"]
    kind = {"auth_method": "none", "secret_hash": None, "redirect_uris": addresses}
    add_client(app, "native", application_type="native", **kind)
    add_client(app, "web", **kind)
    browser.sign_in()
    asked = {"scope": "openid", "redirect_uri": address}
    answer = browser.authorize(client_id="native", **asked)
    assert answer.status_code == (303 if is_good else 400)
    if is_good:
        assert answer.headers["Location"].startswith(f"{address}?code=")
    if address not in addresses:
        assert browser.authorize(client_id="web", **asked).status_code == 400


def test_security_2_a_code_is_redeemed_at_the_very_port_it_was_sent_to(
    app: Flask, browser: Browser, program: Program
) -> None:
    add_client(
        app,
        "native",
        application_type="native",
        auth_method="none",
        secret_hash=None,
        redirect_uris=[NATIVE],
    )
    browser.sign_in()
    sent = "http://127.0.0.1:49152/callback"
    for given, status in ((sent, 200), ("http://127.0.0.1:49153/callback", 400), (NATIVE, 400)):
        page = browser.authorize(client_id="native", scope="openid", redirect_uri=sent)
        code = query_of(page)["code"]
        assert redeem(program, "native", code, redirect_uri=given).status_code == status


@pytest.mark.parametrize("mode", ["fragment", "form_post", "x"])
def test_security_4_other_response_modes_are_refused(browser: Browser, mode: str) -> None:
    assert error_of(browser.authorize(response_mode=mode, state="a b&c")) == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "!" * 43},
        {"code_challenge": "a" * 129},
    ],
)
def test_security_5_a_challenge_by_s256_is_required_of_every_client(
    browser: Browser, changes: dict[str, str | None]
) -> None:
    assert error_of(browser.authorize(state="a b&c", **changes)) == "invalid_request"


@pytest.mark.parametrize("verifier", [None, "w" * 64, "short", "v" * 63, "v" * 129])
def test_security_6_a_wrong_verifier_is_refused_and_spends_the_code(
    browser: Browser, program: Program, verifier: str | None
) -> None:
    code = browser.get_code()
    refused = program.redeem(code, code_verifier=verifier)
    assert refused.status_code == 400
    assert refused.json["error"] in ("invalid_grant", "invalid_request")
    assert program.redeem(code).json["error"] == "invalid_grant"


def test_security_6_a_code_without_a_challenge_is_worth_nothing(
    app: Flask, browser: Browser, program: Program
) -> None:
    """None can be got (5); if one were there, a verifier would not make it good."""
    code = browser.get_code()
    with app.extensions["identity"].database.transaction() as session:
        session.query(Code).update({"code_challenge": ""})
    for verifier in ("v" * 64, None):
        assert program.redeem(code, code_verifier=verifier).json["error"] == "invalid_grant"


def test_security_7_every_answer_names_the_issuer_and_keeps_the_state(browser: Browser) -> None:
    assert error_of(browser.authorize(state="a b&c", scope="openid nonsense")) == "invalid_scope"
    assert error_of(browser.authorize(state="a b&c", scope=None)) == "invalid_scope"
    assert error_of(browser.authorize(state="a b&c", prompt="none")) == "login_required"
    assert error_of(browser.authorize(state="a b&c", max_age="x")) == "invalid_request"
    assert error_of(browser.authorize(state="a b&c", resource="urn:x")) == "invalid_target"
    browser.sign_in()
    assert query_of(browser.authorize(state="a b&c"))["iss"] == ISSUER
    assert query_of(browser.authorize(state="a b&c"))["state"] == "a b&c"


def test_security_8_request_objects_are_refused(browser: Browser) -> None:
    one = browser.authorize(state="a b&c", request="e30.e30.")
    assert error_of(one) == "request_not_supported"
    other = browser.authorize(state="a b&c", request_uri="https://evil.example/r")
    assert error_of(other) == "invalid_request"  # it was not pushed (RFC 9126)


@pytest.mark.parametrize("scope", ["openid", "notify.inbox"])
def test_security_9_prompt_none_never_shows_a_page(browser: Browser, scope: str) -> None:
    refused = browser.authorize(prompt="none", state="a b&c", scope=scope)
    assert error_of(refused) == "login_required"
    direct = browser.get(
        "/identity/sign-in", query_string=authorization(prompt="none", state="a b&c", scope=scope)
    )
    assert error_of(direct) == "login_required"
    browser.sign_in()
    assert "code" in query_of(browser.authorize(prompt="none", scope=scope))
    browser.clock.advance(seconds=61)
    late = browser.authorize(prompt="none", max_age="60", state="a b&c", scope=scope)
    assert error_of(late) == "login_required"


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}, {"max_age": "0"}])
def test_security_9_asking_for_a_fresh_sign_in_moves_its_time(
    browser: Browser, program: Program, asked: dict[str, str]
) -> None:
    browser.sign_in()
    browser.clock.advance(seconds=61)
    page = browser.authorize(**asked)
    assert urlsplit(page.headers["Location"]).path == "/identity/sign-in"
    code = query_of(browser.sign_in("aishath", page.headers["Location"]))["code"]
    claims = browser.claims(program.redeem(code).json["id_token"])
    assert claims["auth_time"] == int(browser.clock.now().timestamp())


def test_security_9_an_assurance_that_is_not_reached_is_never_claimed(
    browser: Browser, program: Program
) -> None:
    code = browser.get_code(acr_values="high")
    assert browser.claims(program.redeem(code).json["id_token"])["acr"] == "substantial"


def test_security_9_a_weaker_sign_in_is_made_stronger_or_said_to_be_weaker(
    app: Flask, browser: Browser, program: Program
) -> None:
    browser.sign_in()
    silent = browser.authorize(prompt="none", acr_values="high", state="a b&c")
    assert error_of(silent) == "unmet_authentication_requirements"
    assert "code" in query_of(browser.authorize(prompt="none", acr_values="low"))
    assert "code" in query_of(browser.authorize(prompt="none", acr_values="high substantial"))
    assert "code" in query_of(browser.authorize(prompt="none", acr_values="urn:unknown"))
    asked = browser.authorize(acr_values="high")
    assert urlsplit(asked.headers["Location"]).path == "/identity/sign-in"
    browser.clock.advance(seconds=31)
    code = query_of(browser.sign_in("aishath", asked.headers["Location"]))["code"]
    tokens = program.redeem(code).json
    for token in (tokens["id_token"], tokens["access_token"]):
        assert browser.claims(token)["acr"] == "substantial"


@pytest.mark.parametrize("prompt", ["select_account", "login", "login consent"])
def test_security_9_who_may_be_another_person_is_asked(browser: Browser, prompt: str) -> None:
    browser.sign_in()
    page = browser.authorize(prompt=prompt)
    assert urlsplit(page.headers["Location"]).path == "/identity/sign-in"
    browser.clock.advance(seconds=31)
    assert "code" in query_of(browser.sign_in("ibrahim", page.headers["Location"]))


@pytest.mark.parametrize("prompt", ["none login", "create", "x", "none none"])
def test_security_9_a_prompt_that_makes_no_sense_is_refused(browser: Browser, prompt: str) -> None:
    assert error_of(browser.authorize(prompt=prompt, state="a b&c")) == "invalid_request"


def test_security_10_a_post_is_an_authorization_request_and_redirects_by_303(
    browser: Browser,
) -> None:
    page = browser.client.post(
        "/identity/authorize",
        data=authorization(),
        headers={"Atoll-Gateway-Key": "k" * 64},
    )
    assert page.status_code == 303
    assert page.headers["Location"].startswith("/identity/sign-in?")
    answer = browser.sign_in("aishath", page.headers["Location"])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(REDIRECT_URI)


@pytest.mark.parametrize("client", [None, "nobody", "NOBODY", "a\0b", "ދިވެހި", "x" * 500])
def test_an_unknown_client_gets_a_page(browser: Browser, client: str | None) -> None:
    response = browser.authorize(client_id=client)
    assert response.status_code == 400
    assert response.mimetype == "text/html"
    assert "Location" not in response.headers


def test_a_client_that_signs_nobody_in_is_refused(browser: Browser) -> None:
    assert browser.authorize(client_id="fisheries").status_code == 400


def test_a_program_gets_the_refusal_as_a_problem(program: Program) -> None:
    refused = program.call("GET", "/identity/authorize", query_string=authorization(client_id="x"))
    assert refused.status_code == 400
    assert refused.mimetype == "application/problem+json"
    assert refused.json["type"].endswith("/portal/problems/authorization-refused")
