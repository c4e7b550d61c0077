"""A person signs in for the portal and gets tokens; what each answer carries."""

import jwt

from tests.identity.callers import REDIRECT_URI, Browser, Program, query_of


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_person_signs_in_for_the_portal(browser: Browser, program: Program) -> None:
    page = browser.authorize(state="st4te")
    assert page.headers["Location"].startswith("/identity/sign-in?")
    answer = browser.sign_in("aishath", page.headers["Location"])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(REDIRECT_URI + "?")
    back = query_of(answer)
    assert back["state"] == "st4te"
    assert back["iss"] == "http://localhost:8000/identity"
    tokens = program.redeem(back["code"])
    assert tokens.status_code == 200, tokens.text
    claims = claims_of(tokens.json["id_token"])
    assert claims["aud"] == "portal"
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert tokens.json["scope"] == "openid profile identity.contact"
    who = program.call(
        "GET",
        "/identity/userinfo",
        headers={"Authorization": f"Bearer {tokens.json['access_token']}"},
    )
    assert who.status_code == 200, who.text
    assert who.json["sub"] == claims["sub"]
    assert who.json["name"] == "Aishath Demo"
    assert who.headers["Atoll-Caller"] == "portal"
