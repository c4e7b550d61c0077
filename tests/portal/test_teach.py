"""The directory's page and the instructor's levers: shown, pulled, let go, refused in words."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform
from tests.portal.steering import agreement

PATH = "/portal/teach"


def form(browser: Browser, **values: str) -> Any:
    token = re.search(r'name="form_token" value="([^"]+)"', browser.text(PATH))
    assert token
    return browser.post(PATH, data={"form_token": token[1], **values})


def test_the_directory_names_owners_and_who_may_call_what(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.steering.agreements = [
        agreement(id="b", state="ended", ended_because="The law was repealed."),
        agreement(id="c", unused=True, last_call=None),
        agreement(),
    ]
    page = browser.text("/portal/directory")
    assert "Registers Office" in page
    assert "registers@platform.example" in page
    assert 'href="/registers/openapi.json"' in page
    assert "Licensing Act (made up), section 4" in page
    assert "Marked as unused for 90 days: 1." in page
    assert page.index("in force") < page.index("The law was repealed.")
    assert "never" in page
    assert '<a href="/portal/directory">' in browser.text("/portal/apis")


@pytest.mark.parametrize("kind", ["down", "broken"])
def test_a_directory_that_is_away_is_said_in_a_sentence(
    browser: Browser, platform: FakePlatform, kind: str
) -> None:
    getattr(platform, kind).add("gateway")
    assert browser.get("/portal/directory").status_code == 200
    assert browser.get(PATH).status_code == 200


def test_every_lever_says_what_will_happen_what_to_look_at_and_how_it_is_undone(
    browser: Browser,
) -> None:
    page = browser.text(PATH)
    for words in ("What will happen", "What to look at", "How it is undone"):
        assert page.count(words) == 4
    assert f'href="{PATH}"' in browser.text("/")


def test_a_service_is_slowed_down_and_let_go(browser: Browser, platform: FakePlatform) -> None:
    done = form(browser, lever="fault", service="notify", kind="slow", delay_ms="1500")
    assert done.status_code == 303
    assert done.headers["Location"] == f"{PATH}?done=fault#fault"
    assert platform.steering.faults["notify"]["delay_ms"] == 1500
    page = browser.text(f"{PATH}?done=fault")
    assert "within two seconds" in page
    assert "Let it go: " in page
    form(browser, lever="fault", service="notify", kind="ok")
    assert platform.steering.faults == {}


@pytest.mark.parametrize(("given", "sent"), [("-5", 1), ("", 1), ("99999999", 10_000)])
def test_a_delay_that_makes_no_sense_becomes_one_that_does(
    browser: Browser, platform: FakePlatform, given: str, sent: int
) -> None:
    form(browser, lever="fault", service="registers", kind="slow", delay_ms=given)
    assert platform.steering.faults["registers"]["delay_ms"] == sent


def test_the_token_behind_the_page_can_pull_levers_and_nothing_else(
    browser: Browser, platform: FakePlatform
) -> None:
    form(browser, lever="fault", service="identity", kind="stop")
    sent = next(one for one in platform.requests if one.url.endswith("/operate/faults"))
    assert platform.claims(sent)["scope"] == "platform.teach"
    assert "delay_ms" not in platform.steering.faults["identity"]


def test_a_provider_fails_and_is_well_again(browser: Browser, platform: FakePlatform) -> None:
    form(browser, lever="provider", provider="coral", mode="fail")
    assert platform.steering.providers["coral"]["mode"] == "fail"
    assert "failing" in browser.text(PATH)
    form(browser, lever="provider", provider="coral", mode="ok")
    assert "failing" not in browser.text(PATH)


def test_a_changed_register_leads_to_its_check(browser: Browser, platform: FakePlatform) -> None:
    done = form(browser, lever="tamper", register="island")
    assert platform.steering.tampered == ["island"]
    page = browser.text(done.headers["Location"].partition("#")[0])
    assert "Entry 57 of the register island" in page
    assert 'href="/portal/registers/island/check"' in page
    form(browser, lever="put-back")
    assert platform.steering.tampered == []


def test_a_reset_asks_once(browser: Browser, platform: FakePlatform) -> None:
    done = form(browser, lever="reset")
    assert platform.steering.resets == 0
    assert "tick the box first" in browser.text(done.headers["Location"].partition("#")[0])
    done = form(browser, lever="reset", sure="yes")
    assert platform.steering.resets == 1
    assert "ready for the next group" in browser.text(done.headers["Location"].partition("#")[0])


def test_what_the_gateway_refuses_is_said(browser: Browser, platform: FakePlatform) -> None:
    platform.steering.refuses = "The register has no entry of this number."
    answer = form(browser, lever="tamper", register="atoll")
    assert answer.status_code == 400
    assert "has no entry of this number" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "values",
    [
        {"lever": "explode"}, {}, {"lever": "fault", "service": "portal", "kind": "stop"},
        {"lever": "fault", "service": "notify", "kind": "explode"},
        {"lever": "provider", "provider": "../x", "mode": "fail"},
        {"lever": "provider", "provider": "coral", "mode": "twice-over"},
    ],
    ids=str,
)  # fmt: skip
def test_there_are_no_other_levers(
    browser: Browser, platform: FakePlatform, values: dict[str, str]
) -> None:
    assert form(browser, **values).status_code in (400, 404)
    assert platform.steering.faults == {}


def test_a_form_of_another_site_pulls_nothing(browser: Browser, platform: FakePlatform) -> None:
    values = {"lever": "fault", "service": "notify", "kind": "stop", "form_token": "x"}
    assert browser.post(PATH, data=values).status_code == 403
    assert platform.steering.faults == {}


def test_outside_a_demonstration_there_are_no_levers(
    make_app: Callable[..., Flask], platform: FakePlatform
) -> None:
    browser = Browser(make_app(start_state=None), platform)
    assert browser.get(PATH).status_code == 404
    assert browser.post(PATH, data={"lever": "reset", "sure": "yes"}).status_code == 404
    assert f'href="{PATH}"' not in browser.text("/")
    assert browser.get("/portal/directory").status_code == 200
