"""The token inspector: explains, checks, and keeps nothing."""

import base64
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.tokens import KeySource
from services.portal.domain.inspection import CLAIMS
from services.portal.inspector import look
from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform

PATH = "/portal/developers/token"


def explain(browser: Browser, token: str, lang: str = "en") -> Any:
    form = {"form_token": browser.form_token(PATH), "token": token}
    return browser.post(f"{PATH}?lang={lang}", data=form)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def made_of(header: Any, claims: Any, signature: str = "AAAA") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


def test_a_good_token_is_told_claim_by_claim(browser: Browser, platform: FakePlatform) -> None:
    token = platform.issuer.token("registers", "registers.read", subject="fisheries")
    page = explain(browser, f"Bearer {token}")
    assert page.status_code == 200, page.text
    assert "Signed by this platform" in page.text
    assert "An access token" in page.text
    assert "urn:atoll:registers" in page.text
    assert "Whom it is for; everybody else must refuse it." in page.text
    assert page.headers["Cache-Control"] == "no-store"
    dhivehi = explain(browser, token, "dv").text
    assert 'dir="rtl"' in dhivehi


def test_what_was_pasted_is_neither_shown_again_nor_logged(
    browser: Browser, platform: FakePlatform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = platform.issuer.token("registers", "registers.read")
    page = explain(browser, token)
    signature = token.rpartition(".")[2]
    assert signature not in page.text
    assert signature not in caplog.text
    assert not [r for r in platform.requests if signature in f"{r.url}{r.body}{r.headers}"]
    assert 'id="found"' not in browser.text(f"{PATH}?token={token}"), "an address explains nothing"


def test_a_changed_token_has_a_wrong_signature(browser: Browser, platform: FakePlatform) -> None:
    header, claims, signature = platform.issuer.token("registers", "registers.read").split(".")
    found = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged = f"{header}.{part(found | {'scope': 'platform.operate'})}.{signature}"
    page = explain(browser, forged).text
    assert "The signature is wrong" in page
    assert "Signed by this platform" not in page


@pytest.mark.parametrize(
    ("header", "claims", "words"),
    [
        ({"alg": "none"}, {}, "Not signed in a way that counts here"),
        ({"alg": "HS256", "kid": "x"}, {}, "Its algorithm is none of ES256 and RS256"),
        ({"alg": "ES256", "kid": "nobody"}, {}, "a key that is not published"),
        ({"alg": "ES256", "kid": "x", "jku": "https://evil.example"}, {}, "another key"),
        ({"alg": "ES256", "kid": ["x"]}, {"exp": "soon"}, "It never ends"),
        ({"alg": "ES256"}, {"exp": 1}, "It has expired"),
        ({"alg": "ES256"}, {"exp": 10**40}, "It never ends"),
        ({"alg": "ES256"}, {"exp": 2**31, "nbf": 2**33}, "not valid yet"),
        ({"alg": "ES256", "typ": "at+jwt"}, {"aud": "urn:example"}, "no service of this platform"),
        ({"alg": "ES256", "typ": "JWT"}, {}, "It is no access token"),
        ({"alg": "ES256"}, {"iss": "https://other.example"}, "another issuer"),
        ({"alg": "ES256"}, {"cnf": {"jkt": "x"}, "act": {"sub": "y"}}, "bound to a key"),
        ({"alg": "ES256"}, {"<script>": "<img src=x>"}, "&lt;script&gt;"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    browser: Browser, header: Any, claims: Any, words: str
) -> None:
    page = explain(browser, made_of(header, claims))
    assert page.status_code == 200, page.text
    assert words in page.text
    assert "<img" not in page.text.partition('id="found"')[2]


@pytest.mark.parametrize(
    "token",
    [
        *("", "   ", "refresh-token", "a.b", "a.b.c", "....", "x" * 9000, "ޓޯކަން", "e30.e30", "\0"),
        *(made_of([], {}), made_of({}, 7), made_of({"a": "\ud800"}, {})),
    ],
    ids=repr,
)
def test_what_is_no_token_gets_a_sentence(browser: Browser, token: str) -> None:
    page = explain(browser, token)
    assert page.status_code == 422
    assert "This cannot be read" in page.text


def test_it_takes_forms_of_our_own_page_alone(browser: Browser) -> None:
    assert browser.post(PATH, data={"token": "a.b.c"}).status_code == 403


def test_it_explains_while_the_keys_cannot_be_had(platform: FakePlatform) -> None:
    def fail() -> dict[str, Any]:
        raise ConnectionError

    found = look(platform.issuer.token("registers", "registers.read"), KeySource(fail))
    assert found.signature == "unknown"
    assert found.token is not None
    assert found.token.claims["aud"] == "urn:atoll:registers"


def test_every_claim_of_our_tokens_has_words() -> None:
    assert len(set(CLAIMS)) == len(CLAIMS)
    ours = "iss sub aud client_id scope jti iat exp auth_time acr roles act grant_id cnf"
    assert set(ours.split()) <= set(CLAIMS)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = look(text, KeySource(dict))
    assert found.unreadable in ("empty", "long", "parts", "json") or found.token is not None
