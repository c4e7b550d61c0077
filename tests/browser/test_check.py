"""Check it yourself: the browser proves that an entry is in its register, or names it."""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import new_context
from tests.browser.test_accessibility import complaints, in_language
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
ISLAND = "/portal/registers/island/records/K-Thulusdhoo"
HASH = re.compile(r"[0-9a-f]{8}…[0-9a-f]{4}")


def check(page: Page) -> None:
    page.locator("[data-check]").first.press("Enter")
    expect(page.locator("[data-check]").first).not_to_have_attribute("aria-disabled", "true")
    expect(page.locator(".check-result.good, .check-result.bad")).to_be_visible()


def outcome(page: Page) -> str:
    return page.locator(".outcome").first.inner_text()


def tamper(page: Page, address: str, **changes: object) -> None:
    """Let the browser get another answer than the register gave."""

    def answer(route: Route) -> None:
        given = route.fetch()
        route.fulfill(response=given, body=json.dumps(given.json() | changes))

    page.route(address, answer)


@pytest.mark.parametrize("language", ["en", "dv"])
def test_the_browser_computes_the_path_to_the_fingerprint(page: Page, language: str) -> None:
    page.goto(in_language(ISLAND, language))
    check(page)
    rows = page.locator(".hash-path li")
    expect(rows).to_have_count(9)
    assert all(HASH.search(row) for row in rows.all_inner_texts())
    head = page.request.get("/registers/island/proofs/register").json()["root-hash"]
    expect(page.locator(".node.top code")).to_have_attribute("title", head[4:])
    expect(page.locator(".outcome")).to_have_attribute("role", "status")
    assert complaints(page) == []
    if language == "en":
        assert outcome(page).startswith(
            "This entry is entry 95 of 189. 8 hashes lead from it to the register’s fingerprint."
        )
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


@pytest.mark.parametrize(
    ("register", "key"),
    [
        ("council", "K-Thulusdhoo"),  # a field with many values
        ("country", "AX"),  # letters beyond ASCII
        ("fishing-vessel", "DEMO-0001"),
    ],
)
def test_every_kind_of_item_can_be_checked(page: Page, register: str, key: str) -> None:
    page.goto(f"/portal/registers/{register}/records/{key}")
    check(page)
    assert "You did not have to trust the register" in outcome(page)


def test_a_vessel_that_was_just_licensed_can_be_checked(her_page: Page) -> None:
    head = her_page.request.get("/registers/fishing-vessel/proofs/register").json()
    newest = her_page.request.get(f"/registers/fishing-vessel/entries/{head['total-entries']}")
    assert head["total-entries"] > 12
    her_page.goto(f"/portal/registers/fishing-vessel/records/{newest.json()['key']}")
    check(her_page)
    size = head["total-entries"]
    assert outcome(her_page).startswith(f"This entry is entry {size} of {size}.")


@pytest.mark.parametrize(
    ("address", "changes"),
    [
        ("**/registers/island/blobs/*", {"population-2022": "9999"}),
        ("**/registers/island/blobs/*", {"owner": "somebody"}),
        ("**/registers/island/entries/95", {"key": "K-Male"}),
        ("**/registers/island/entries/95", {"entry-timestamp": "2020-01-01T00:00:00Z"}),
        ("**/registers/island/proofs/entries/**", {"audit-path": []}),
        ("**/registers/island/proofs/register", {"root-hash": "1220" + "0" * 64}),
    ],
)
def test_a_changed_answer_is_found_and_the_entry_named(
    page: Page, address: str, changes: dict[str, object]
) -> None:
    page.goto(ISLAND)
    tamper(page, address, **changes)
    check(page)
    assert outcome(page).startswith("Do not trust entry 95.")
    assert page.locator(".check-result.good").count() == 0
    assert complaints(page) == []


def test_silence_proves_nothing_and_can_be_tried_again(page: Page) -> None:
    page.goto(ISLAND)
    page.route("**/proofs/**", lambda route: route.abort())
    check(page)
    assert "says nothing about the entry" in outcome(page)
    page.unroute("**/proofs/**")
    check(page)
    expect(page.locator(".check-result.good")).to_be_visible()


def test_without_javascript_the_page_says_what_to_hash(
    chromium: Browser, running_platform: RunningPlatform
) -> None:
    context = new_context(chromium, running_platform, java_script_enabled=False)
    page = context.new_page()
    page.goto(ISLAND)
    expect(page.locator("[data-check]").first).to_be_hidden()
    expect(page.get_by_text("examples/vessel_licence.py")).to_be_visible()
    for link in page.locator("[data-check-without] a").all():
        assert page.request.get(str(link.get_attribute("href"))).ok
    context.close()
