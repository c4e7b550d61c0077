"""Statement 39 of the profile: nothing leaves without consent in force, and withdrawal bites."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask

from services.identity.domain.digests import fingerprint
from services.identity.storage import agreements
from services.identity.storage.tables import Agreement, Client, Person
from tests.identity.callers import Browser, Program, query_of
from tests.identity.clients import CALLBACK, add_client
from tests.support.clock import FakeClock

ISSUER = "http://localhost:8000/identity"
EVERYTHING = "openid profile email phone identity.contact"


@pytest.fixture
def council(app: Flask) -> dict[str, str]:
    """A service that is not the platform's own, and how it asks."""
    add_client(app, "council", person_scopes=EVERYTHING.split())
    return {"client_id": "council", "redirect_uri": CALLBACK, "scope": EVERYTHING}


def tokens_of(program: Program, answer: Any, **changes: str) -> dict[str, Any]:
    asked = {"redirect_uri": CALLBACK} | changes
    found = program.redeem(query_of(answer)["code"], "council", **asked)
    assert found.status_code == 200, found.text
    return dict(found.json)


def userinfo(program: Program, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    return dict(program.call("GET", "/identity/userinfo", headers=headers).json)


def given(app: Flask) -> list[Agreement]:
    with app.extensions["identity"].database.snapshot() as session:
        return list(session.query(Agreement).filter_by(client_id="council").all())


def test_security_39_a_service_is_given_nothing_before_the_person_was_asked(
    browser: Browser, council: dict[str, str]
) -> None:
    browser.sign_in()
    asked = browser.authorize(agrees=False, **council)
    assert asked.headers["Location"].startswith("/identity/consent?")
    page = browser.get(asked.headers["Location"])
    assert page.status_code == 200
    assert "aishath@people.example" in page.text  # the person sees what would be handed out
    assert 'type="checkbox"' in page.text
    assert (
        "checked>" not in page.text.replace('type="radio"', "").partition('class="govuk-radios"')[0]
    )
    assert "form-action 'self' https://service.example" in (page.headers["Content-Security-Policy"])
    silent = query_of(browser.authorize(agrees=False, prompt="none", **council))
    assert silent["error"] == "consent_required"
    assert silent["iss"] == ISSUER


def test_security_39_no_token_or_answer_holds_more_than_was_ticked(
    app: Flask, browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    asked = browser.authorize(agrees=False, resource="urn:atoll:identity", **council)
    answer = browser.agree(asked, "some", item=["name", "phone_number", "registers.append"])
    tokens = tokens_of(program, answer)
    assert tokens["scope"] == "openid profile phone"
    claims = browser.claims(tokens["access_token"])
    assert claims["scope"] == "openid profile phone"
    assert claims["roles"] == []
    assert set(browser.claims(tokens["id_token"])).isdisjoint({"name", "email", "phone_number"})
    shown = userinfo(program, tokens["access_token"])
    assert set(shown) == {"sub", "name", "name#dv", "phone_number", "phone_number_verified"}
    (agreement,) = given(app)
    assert agreement.items == ["openid", "name", "phone_number"]
    assert agreement.categories == []


def test_security_39_an_unticked_scope_cannot_be_refreshed_into_being(
    browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    answer = browser.agree(browser.authorize(agrees=False, **council), "some", item="name")
    tokens = tokens_of(program, answer)
    more = program.refresh(tokens["refresh_token"], "council", scope="openid email")
    assert more.json["error"] == "invalid_scope"
    same = program.refresh(tokens["refresh_token"], "council")
    assert same.json["scope"] == "openid profile"


def test_security_39_withdrawal_stops_refresh_at_once_and_every_token_with_it(
    app: Flask, browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    tokens = tokens_of(program, browser.authorize(**council))
    assert userinfo(program, tokens["access_token"])["email"] == "aishath@people.example"
    last = program.feed()["last"]
    (agreement,) = given(app)
    page = browser.get("/identity/consents")
    form = {"form_token": browser.form_token(page)}
    browser.post(f"/identity/consents/{agreement.id}/withdraw", form)
    refused = program.refresh(tokens["refresh_token"], "council")
    assert refused.json["error"] == "invalid_grant"
    assert "email" not in userinfo(program, tokens["access_token"])
    kinds = [event["kind"] for event in program.feed(last)["events"]]
    assert kinds == ["consent", "grant-revoked"]


def test_security_39_one_item_is_withdrawn_by_itself(
    app: Flask, browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    tokens = tokens_of(program, browser.authorize(purpose="birth-registration", **council))
    (agreement,) = given(app)
    assert agreement.categories == ["contact"]
    form = {"form_token": browser.form_token(browser.get("/identity/consents"))}
    kept = {"item": ["name", "preferred_username", "locale", "phone_number"]}
    browser.post(f"/identity/consents/{agreement.id}/keep", form | kept)
    (changed,) = given(app)
    assert changed.id == agreement.id  # whoever holds its number goes on with what is left
    assert changed.version == 2
    assert changed.categories == []
    assert changed.until == agreement.until
    assert program.refresh(tokens["refresh_token"], "council").json["error"] == "invalid_grant"
    again = browser.authorize(agrees=False, purpose="birth-registration", **council)
    page = browser.get(again.headers["Location"]).text
    assert "you agreed to this before" in page


def test_security_39_a_purpose_opens_its_data_and_no_other(
    app: Flask, browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    tokens_of(program, browser.authorize(**council))
    assert [one.categories for one in given(app)] == [[]]  # to sign in opens nothing by itself
    asked = browser.authorize(agrees=False, purpose="birth-registration", **council)
    assert asked.headers["Location"].startswith("/identity/consent?")  # asked for each purpose
    tokens_of(program, browser.agree(asked))
    assert sorted(one.purpose for one in given(app)) == ["birth-registration", "sign-in"]
    unknown = query_of(browser.authorize(purpose="world-domination", **council))
    assert unknown["error"] == "invalid_request"


def test_security_39_an_agreement_ends_by_itself(
    browser: Browser, program: Program, council: dict[str, str], clock: FakeClock, app: Flask
) -> None:
    browser.sign_in()
    asked = browser.authorize(agrees=False, **council)
    tokens = tokens_of(program, browser.agree(asked, until="day"))
    (agreement,) = given(app)
    assert agreement.until - agreement.given_at == timedelta(days=1)
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Agreement, agreement.id).until = clock.now() + timedelta(seconds=60)
    assert program.refresh(tokens["refresh_token"], "council").status_code == 200
    clock.advance(seconds=60)
    later = program.refresh(tokens["refresh_token"], "council")
    assert later.json["error"] == "invalid_grant"


def test_security_39_a_code_is_worth_nothing_after_the_withdrawal(
    app: Flask, browser: Browser, program: Program, council: dict[str, str], clock: FakeClock
) -> None:
    browser.sign_in()
    code = query_of(browser.authorize(**council))["code"]
    (agreement,) = given(app)
    with app.extensions["identity"].database.transaction() as session:
        agreements.withdraw(session, session.get_one(Agreement, agreement.id), clock.now())
    answer = program.redeem(code, "council", redirect_uri=CALLBACK)
    assert answer.json["error"] == "invalid_grant"


def test_security_39_a_no_goes_back_as_access_denied_with_the_issuer(
    app: Flask, browser: Browser, council: dict[str, str]
) -> None:
    browser.sign_in()
    asked = browser.authorize(agrees=False, state="s1", **council)
    answer = query_of(browser.agree(asked, "deny"))
    assert answer == {
        "error": "access_denied",
        "error_description": answer["error_description"],
        "state": "s1",
        "iss": ISSUER,
    }
    assert given(app) == []


def test_security_39_an_officers_powers_are_lent_only_when_they_agree(
    browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in("hassan")
    plain = browser.authorize(agrees=False, resource="urn:atoll:identity", **council)
    tokens = tokens_of(program, browser.agree(plain, "some", item="name"))
    assert browser.claims(tokens["access_token"])["roles"] == []
    asked = browser.authorize(
        agrees=False, prompt="consent", resource="urn:atoll:identity", **council
    )
    tokens = tokens_of(program, browser.agree(asked))
    assert "fisheries:officer" in browser.claims(tokens["access_token"])["roles"]


def test_security_27_an_answer_from_another_page_agrees_to_nothing(
    app: Flask, browser: Browser, council: dict[str, str]
) -> None:
    browser.sign_in()
    at = browser.authorize(agrees=False, **council).headers["Location"]
    token = browser.form_token(browser.get(at))
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for form, headers in (
        ({"decision": "agree"}, {}),
        ({"decision": "agree", "form_token": "0" * 64}, {}),
        ({"decision": "agree", "form_token": token}, foreign),
    ):
        assert browser.post(at, form, headers=headers).status_code == 403
    posted = browser.post("/identity/authorize", council | {"decision": "agree"})
    assert "code=" not in posted.headers.get("Location", "")
    assert given(app) == []


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"decision": "yes"},
        {"decision": "agree", "until": "forever"},
        {"decision": "agree", "until": "\x00"},
    ],
)
def test_an_unclear_answer_is_asked_again(
    app: Flask, browser: Browser, council: dict[str, str], form: dict[str, str]
) -> None:
    browser.sign_in()
    at = browser.authorize(agrees=False, **council).headers["Location"]
    token = {"form_token": browser.form_token(browser.get(at))}
    assert browser.post(at, token | form).status_code == 422
    assert given(app) == []


def test_security_09_a_fresh_sign_in_is_not_skipped_by_way_of_the_consent_page(
    browser: Browser, council: dict[str, str]
) -> None:
    browser.sign_in()
    at = browser.authorize(agrees=False, **council).headers["Location"]
    forced = browser.get(at + "&prompt=login")
    assert forced.headers["Location"].startswith("/identity/authorize?")
    forced = browser.get(at + "&prompt=login&signed_in_now=" + "0" * 64)
    assert forced.headers["Location"].startswith("/identity/authorize?")
    # whoever does sign in for the request is asked once and not sent round again
    page = browser.authorize(agrees=False, prompt="login", **council)
    browser.clock.advance(seconds=31)
    asked = browser.sign_in("aishath", page.headers["Location"], agrees=False)
    assert asked.headers["Location"].startswith("/identity/consent?")
    assert "code" in query_of(browser.agree(asked))


def test_an_agreement_of_before_is_not_asked_for_again_unless_more_is_wanted(
    app: Flask, browser: Browser, council: dict[str, str]
) -> None:
    browser.sign_in()
    browser.authorize(**council | {"scope": "openid profile"})
    again = browser.authorize(agrees=False, **council | {"scope": "openid profile"})
    assert "code" in query_of(again)
    more = browser.authorize(agrees=False, **council)
    assert more.headers["Location"].startswith("/identity/consent?")
    browser.agree(more, "some", item=["name", "email"])
    (agreement,) = given(app)
    assert agreement.version == 2
    assert set(agreement.items) == {"openid", "name", "email"}


def test_a_receipt_is_signed_and_no_verifier_takes_it_for_a_token(
    app: Flask, browser: Browser, program: Program, council: dict[str, str]
) -> None:
    browser.sign_in()
    tokens = tokens_of(program, browser.authorize(purpose="birth-registration", **council))
    (agreement,) = given(app)
    at = f"/identity/consents/{agreement.id}/receipt"
    page = browser.get(at).text
    assert "to record a birth and send the certificate" in page
    file = browser.get(f"{at}?format=json")
    assert file.headers["Content-Disposition"].startswith("attachment")
    found = json.loads(file.text)
    kid = jwt.get_unverified_header(found["signed"])["kid"]
    key = app.extensions["identity"].keys.public(kid)
    claims = jwt.decode(found["signed"], key, algorithms=["ES256"])
    assert claims == found["receipt"]
    assert claims["purpose"]["code"] == "birth-registration"
    assert claims["sub"] == browser.claims(tokens["id_token"])["sub"]  # pairwise, never another
    assert [one["change"] for one in claims["versions"]] == ["given"]
    headers = {"Authorization": f"Bearer {found['signed']}"}
    assert program.call("GET", "/identity/userinfo", headers=headers).status_code == 401
    stranger = Browser(app, {"people": browser.people}, browser.clock)
    browser.clock.advance(seconds=31)
    stranger.sign_in("zeena")
    assert stranger.get(at).status_code == 404


def test_security_39_eight_answers_and_withdrawals_at_once_leave_nothing_beside_the_consent(
    app_on_each: Flask, start_state: dict[str, Any], clock: FakeClock
) -> None:
    database = app_on_each.extensions["identity"].database
    sub, now = start_state["people"]["aishath"]["sub"], clock.now()
    add_client(app_on_each, "council", person_scopes=["openid", "profile"])

    def act(turn: int) -> None:
        with database.transaction() as session:
            if turn % 2:
                found = agreements.in_force(session, sub, "council", "sign-in", now)
                if found is not None:
                    agreements.withdraw(session, found, now)
                return
            agreements.agree(
                session, subject=sub, client_id="council", purpose="sign-in",
                asked=["name", "locale"], chosen=["name"], now=now,
                until=now + timedelta(days=turn + 1),
            )  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    with database.snapshot() as session:
        rows = session.query(Agreement).filter_by(subject=sub, client_id="council").all()
        assert sum(row.withdrawn_at is None for row in rows) <= 1
        for row in rows:
            numbers = [one.version for one in agreements.versions(session, row)]
            assert numbers == list(range(1, row.version + 1))


def test_security_30_a_hostile_name_is_harmless_on_the_page(
    app: Flask, browser: Browser, council: dict[str, str]
) -> None:
    with app.extensions["identity"].database.transaction() as session:
        client = session.get_one(Client, "council")
        client.name = {"en": '<script>alert(1)</script>" onload="x'}
        client.secret_hash = fingerprint("council-secret")
        person = session.query(Person).filter_by(username="aishath").one()
        person.name = "<b>Aishath</b>"
    browser.sign_in()
    at = browser.authorize(agrees=False, **council).headers["Location"]
    page = browser.get(at).text
    assert "<script>alert" not in page
    assert "<b>Aishath" not in page
    assert re.search(r"&lt;script&gt;alert", page)
