"""The pages of registers in a browser: searching, the map, one's own records, the demonstration."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import new_context
from tests.browser.test_accessibility import complaints, in_language
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
PAGES = [  # each once, in the language in which more can go wrong
    ("/portal/registers?q=islands", "en"),
    ("/portal/registers/island?q=thul&f=atoll:atoll:K", "dv"),
    ("/portal/registers/island/map", "en"),
    ("/portal/registers/fishing-vessel/map?atoll=K&show=DEMO-0001", "dv"),
    ("/portal/registers/island/compare?from=180&to=189", "dv"),
    ("/portal/registers/island/check", "en"),
    ("/portal/registers/vessel-owner", "en"),
    ("/portal/registers/vessel-owner/mine", "dv"),
]


@pytest.mark.parametrize(("path", "language"), PAGES)
def test_axe_finds_nothing_on_pages_of_registers(her_page: Page, path: str, language: str) -> None:
    her_page.goto(in_language(path, language))
    assert complaints(her_page) == []
    wide = her_page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "nothing leads out of the window"


def test_a_record_is_found_without_a_script(
    chromium: Browser, running_platform: RunningPlatform
) -> None:
    context = new_context(chromium, running_platform, java_script_enabled=False)
    page = context.new_page()
    page.goto("/portal/registers/island")
    page.get_by_label("Search in it").fill("ތުލުސް")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="K-Thulusdhoo", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thulusdhoo")
    expect(page.get_by_text("This entry is number 95 of 189.")).to_be_visible()
    page.get_by_role("link", name="Fehi Raalhu").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fehi Raalhu")
    context.close()


def test_the_places_of_a_map_are_reached_by_keyboard(her_page: Page) -> None:
    her_page.goto("/portal/registers/island/map")
    assert her_page.locator("svg.map circle.mark").count() == 189
    atoll = her_page.locator("summary", has_text="Kaafu")
    atoll.press("Enter")
    her_page.get_by_role("link", name=re.compile("See this atoll closely.*Kaafu")).press("Enter")
    expect(her_page.locator("svg.map .number")).to_have_count(9)
    her_page.get_by_role("link", name=re.compile("show.*Dhiffushi")).press("Enter")
    expect(her_page.locator("svg.map .chosen")).to_have_count(1)
    expect(her_page.get_by_text("marked on the map")).to_be_visible()


def test_she_sees_her_record_and_asks_for_a_correction(her_page: Page) -> None:
    her_page.goto("/portal/registers/vessel-owner/mine")
    expect(her_page.get_by_role("link", name="DEMO-0001")).to_be_visible()
    her_page.locator("summary", has_text="Something is wrong").click()
    her_page.get_by_label("What is wrong").select_option("since")
    her_page.get_by_label("What it should say").fill("2018-11")
    her_page.get_by_label("Why").first.fill("The sale was in November.")
    her_page.get_by_role("button", name="Ask for this correction").click()
    expect(her_page.get_by_text("sent to the custodian")).to_be_visible()
    expect(her_page.get_by_text("Waiting for the custodian").first).to_be_visible()


def test_an_instructor_changes_a_row_and_the_check_names_it(page: Page) -> None:
    def check() -> None:
        page.goto("/portal/registers/atoll/check")
        page.get_by_role("button", name="Check all 21 entries now").click()

    page.goto("/portal/teach")
    page.locator("#register").select_option("atoll")
    page.get_by_role("button", name="Change its newest row").click()
    try:
        check()
        expect(page.get_by_text("Entry 21 is not what was entered.")).to_be_visible()
        page.get_by_role("link", name="Open the record").click()
        page.locator("[data-check]").first.click()
        expect(page.locator(".check-result.bad")).to_be_visible()
    finally:
        page.goto("/portal/teach")
        page.get_by_role("button", name="Put every row back").click()
    check()
    expect(page.get_by_text("All 21 entries are what was entered.")).to_be_visible()
