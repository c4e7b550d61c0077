"""Agreements, the feed, contact details (statement 39 of the profile, wire section 4)."""

import pytest
from flask import Flask

from services.identity.storage.tables import Agreement
from tests.identity.callers import BY_GATEWAY, Browser, Program
from tests.support.clock import FakeClock


def agreements(program: Program, query: str = "") -> list[dict]:
    headers = program.own_token("fisheries", "identity")
    answer = program.call("GET", f"/identity/agreements{query}", headers=headers)
    assert answer.status_code == 200
    return answer.json["agreements"]


def contact(program: Program, client: str = "fisheries", **headers: str) -> tuple[int, dict]:
    given = program.own_token(client, "identity", "identity.contact")
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    answer = program.call("GET", "/identity/contact-details", headers=given)
    return answer.status_code, answer.json


def test_the_start_state_holds_one_agreement_for_a_year(
    program: Program, start_state: dict
) -> None:
    (agreement,) = agreements(program, "?purpose=vessel-licence")
    assert agreement["subject"] == start_state["people"]["aishath"]["sub"]
    assert agreement["categories"] == ["contact", "vessel-ownership"]
    assert agreement["withdrawn_at"] is None
    assert int(agreement["until"][:4]) == int(agreement["given_at"][:4]) + 1
    assert agreements(program, "?purpose=other") == []
    assert agreements(program, "?purpose=%00") == []
    assert agreements(program, "?before=0") == []


def test_a_client_sees_its_own_agreements_only(
    app: Flask, program: Program, browser: Browser
) -> None:
    now = int(browser.clock.now().timestamp())
    claims = {"iss": "http://localhost:8000/identity", "sub": "portal", "client_id": "portal"}
    claims |= {"aud": "urn:atoll:identity", "scope": "identity.consents", "jti": "1"}
    token = app.extensions["identity"].keys.sign(claims | {"iat": now, "exp": now + 60}, "at+jwt")
    headers = {"Authorization": f"Bearer {token}"}
    answer = program.call("GET", "/identity/agreements", headers=headers)
    assert answer.json == {"agreements": [], "next": None}


def test_contact_details_are_given_under_the_persons_agreement(program: Program) -> None:
    (agreement,) = agreements(program)
    headers = program.own_token("fisheries", "identity")
    headers |= {"Atoll-Subject": agreement["subject"], "Atoll-Consent": agreement["id"]}
    answer = program.call("GET", "/identity/contact-details", headers=headers)
    assert answer.json == {
        "name": "Aishath Demo",
        "name_dv": "ޢާއިޝަތު ޑެމޯ",
        "phone": "+9607000101",
        "email": "aishath@people.example",
        "home_island": "island:K-Thulusdhoo",
        "language": "en",
    }
    assert answer.headers["Atoll-Subject"] == agreement["subject"]
    assert answer.headers["Atoll-Categories"] == "contact"


def test_a_person_reads_their_own_contact_details_and_no_others(
    browser: Browser, program: Program, start_state: dict
) -> None:
    token = program.redeem(browser.get_code()).json["access_token"]
    subjects = {name: person["sub"] for name, person in start_state["people"].items()}
    for name, status in (("aishath", 200), ("ibrahim", 404)):
        headers = {"Authorization": f"Bearer {token}", "Atoll-Subject": subjects[name]}
        answer = program.call("GET", "/identity/contact-details", headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize("consent", [None, "", "no-such", "a\0b", "x" * 5000])
def test_without_an_agreement_the_person_seems_not_to_exist(
    program: Program, start_state: dict, consent: str | None
) -> None:
    subject = start_state["people"]["aishath"]["sub"]
    given = {"Atoll_Subject": subject} | ({"Atoll_Consent": consent} if consent else {})
    nobody = {**given, "Atoll_Subject": "A" * 22}
    assert contact(program, **given) == contact(program, **nobody)
    assert contact(program, **given)[0] == 404


def test_an_agreement_opens_the_data_of_its_person_to_its_client_alone(
    app: Flask, program: Program, start_state: dict
) -> None:
    (agreement,) = agreements(program)
    other = start_state["people"]["ibrahim"]["sub"]
    assert contact(program, Atoll_Subject=other, Atoll_Consent=agreement["id"])[0] == 404
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Agreement, agreement["id"]).client_id = "portal"
    mine = {"Atoll_Subject": agreement["subject"], "Atoll_Consent": agreement["id"]}
    assert contact(program, **mine)[0] == 404
    with app.extensions["identity"].database.transaction() as session:
        row = session.get_one(Agreement, agreement["id"])
        row.client_id, row.categories = "fisheries", ["health"]
    assert contact(program, **mine)[0] == 404


def test_39_a_withdrawn_agreement_opens_nothing_from_that_moment(
    browser: Browser, program: Program
) -> None:
    (agreement,) = agreements(program)
    given = {"Atoll_Subject": agreement["subject"], "Atoll_Consent": agreement["id"]}
    assert contact(program, **given)[0] == 200
    browser.sign_in()
    page = browser.get("/identity/consents")
    assert "Fisheries Department" in page.text
    assert "to give out a vessel licence" in page.text
    last = program.feed()["last"]
    form = {"form_token": browser.form_token(page)}
    for _ in range(2):  # a second press changes nothing
        done = browser.post(f"/identity/consents/{agreement['id']}/withdraw", form)
        assert done.status_code == 303
    status, problem = contact(program, **given)
    assert status == 403
    assert problem["type"].endswith("/consent-withdrawn")
    (event,) = program.feed(last)["events"]
    assert event["kind"] == "consent"
    assert event["id"] == agreement["id"]
    assert event["withdrawn_at"] == "2026-03-03T05:00:00Z"
    assert "withdrawn" in browser.get(done.headers["Location"]).text


def test_an_agreement_can_be_given_again_once(browser: Browser, program: Program) -> None:
    (agreement,) = agreements(program)
    browser.sign_in()
    form = {"form_token": browser.form_token(browser.get("/identity/consents"))}
    browser.post(f"/identity/consents/{agreement['id']}/withdraw", form)
    for _ in range(2):
        browser.post(f"/identity/consents/{agreement['id']}/renew", form)
    renewed, old = agreements(program)
    assert old["id"] == agreement["id"]
    assert old["withdrawn_at"] is not None
    assert renewed["id"] != agreement["id"]
    assert renewed["until"] == "2027-03-03T05:00:00Z"
    given = {"Atoll_Subject": renewed["subject"], "Atoll_Consent": renewed["id"]}
    assert contact(program, **given)[0] == 200


def test_an_agreement_ends_after_its_year(program: Program, clock: FakeClock) -> None:
    (agreement,) = agreements(program)
    clock.advance(days=365 * 2)
    given = {"Atoll_Subject": agreement["subject"], "Atoll_Consent": agreement["id"]}
    assert contact(program, **given)[0] == 403


def test_nobody_changes_somebody_elses_agreement(browser: Browser, program: Program) -> None:
    (agreement,) = agreements(program)
    browser.sign_in("ibrahim")
    page = browser.get("/identity/consents")
    assert "You have not agreed to anything yet" in page.text
    form = {"form_token": browser.form_token(browser.get("/identity/sign-in"))}
    for verb in ("withdraw", "renew"):
        refused = browser.post(f"/identity/consents/{agreement['id']}/{verb}", form)
        assert refused.status_code == 404
    assert agreements(program)[0]["withdrawn_at"] is None


def test_a_signed_out_person_is_asked_to_sign_in(browser: Browser, program: Program) -> None:
    (agreement,) = agreements(program)
    assert browser.get("/identity/consents").headers["Location"] == "/identity/sign-in"
    form = {"form_token": browser.form_token(browser.get("/identity/sign-in"))}
    asked = browser.post(f"/identity/consents/{agreement['id']}/withdraw", form)
    assert asked.headers["Location"] == "/identity/sign-in"
    assert agreements(program)[0]["withdrawn_at"] is None


def test_the_feed_goes_on_from_where_the_gateway_is(program: Program) -> None:
    whole = program.feed()
    assert [event["n"] for event in whole["events"]] == [1, 2, 3, 4]
    assert [event["kind"] for event in whole["events"]] == ["client"] * 3 + ["consent"]
    assert whole["last"] == 4
    assert program.feed(3)["events"] == whole["events"][3:]
    assert program.feed(4) == {"epoch": whole["epoch"], "events": [], "last": 4}


def test_the_feed_has_no_route_from_outside(program: Program) -> None:
    for headers in ({}, {"Atoll-Caller": "portal"}):
        assert program.call("GET", "/identity/feed", headers=headers).status_code == 404


def test_a_reset_begins_a_new_epoch_with_the_same_people(
    browser: Browser, program: Program, start_state: dict
) -> None:
    before = program.feed()
    tokens = program.redeem(browser.get_code()).json
    answer = program.call("POST", "/identity/operate/reset", headers=BY_GATEWAY)
    assert answer.status_code == 204
    after = program.feed()
    assert after["epoch"] != before["epoch"]
    assert after["last"] == before["last"]
    assert browser.get("/identity/consents").status_code == 303  # signed out
    assert program.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert agreements(program)[0]["subject"] == start_state["people"]["aishath"]["sub"]
    assert browser.sign_in().status_code == 303
    assert program.call("POST", "/identity/operate/reset").status_code == 404
