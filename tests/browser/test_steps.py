"""The journey step by step: links, arrow keys in reading direction, the refused call, axe."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import new_context
from tests.browser.test_accessibility import complaints, in_language
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]


def begin(page: Page, path: str = "/", language: str = "en") -> int:
    """Run the journey step by step; return how many steps there are."""
    page.goto(in_language(path, language))
    page.locator("button[name=steps]").click()
    page.wait_for_url("**/portal/happened?trace=*&step=1*")
    numbers = re.findall(r"\d+", page.locator("#step").inner_text())
    assert set(numbers) - {"1"}
    return max(map(int, numbers))


def at_step(page: Page, number: int) -> None:
    page.wait_for_url(f"**&step={number}*")
    expect(page.locator("svg.sequence .call")).to_have_count(number)
    expect(page.locator("svg.sequence .call.present")).to_have_count(1)
    expect(page.locator("svg.sequence .call.present")).to_be_in_viewport()


@pytest.mark.parametrize("language", ["en", "dv"])
def test_arrow_keys_go_with_the_reading_direction(page: Page, language: str) -> None:
    begin(page, language=language)
    on, back = ("ArrowRight", "ArrowLeft") if language == "en" else ("ArrowLeft", "ArrowRight")
    page.keyboard.press(on)
    at_step(page, 2)
    page.keyboard.press(on)
    at_step(page, 3)
    page.keyboard.press(back)
    at_step(page, 2)
    assert page.locator("html").get_attribute("lang") == language


@pytest.mark.parametrize("language", ["en", "dv"])
def test_every_step_is_accessible_and_the_last_leads_on(page: Page, language: str) -> None:
    count = begin(page, "/portal/licence", language)
    assert count >= 8
    explained = 0
    for number in range(1, count + 1):
        at_step(page, number)
        if page.locator("svg.sequence .present .eye").count():
            explained += 1
            assert complaints(page) == []
        if number < count:
            page.locator("a[rel=next]").click()
    assert explained == 1, "one call read something about a person"
    assert complaints(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    expect(page.locator("a[rel=next]")).to_have_count(0)
    expect(page.locator(".step-now a[href^='/portal/inbox']")).to_be_visible()


def test_steps_work_without_javascript(
    chromium: Browser, running_platform: RunningPlatform
) -> None:
    context = new_context(chromium, running_platform, java_script_enabled=False)
    page = context.new_page()
    begin(page)
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**&step=2")
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("link", name="Show all steps").click()
    expect(page.get_by_role("heading", name="What just happened")).to_be_visible()
    context.close()


@pytest.mark.parametrize("language", ["en", "dv"])
def test_after_a_withdrawal_the_last_step_is_the_refusal(her_page: Page, language: str) -> None:
    her_page.goto("/identity/consents")
    # the newest first: what was withdrawn and renewed before stands below
    agreed = her_page.locator(".govuk-summary-card", has_text="Fisheries Department")
    agreed.locator("form[action*='/withdraw'] button").first.click()
    try:
        expect(agreed.locator("form[action*='/renew'] button").first).to_be_visible()
        her_page.wait_for_timeout(2_000)  # the door knows within two seconds; until then identity
        count = begin(her_page, language=language)
        her_page.goto(her_page.url.replace("&step=1", f"&step={count}"))
        expect(her_page.locator(".step-sentence")).to_contain_text("Nothing was read.")
        expect(her_page.locator("svg.sequence .present .cross")).to_be_visible()
        expect(her_page.locator("a[rel=next]")).to_have_count(0)
        assert complaints(her_page) == []
    finally:
        her_page.goto("/identity/consents")
        agreed.locator("form[action*='/renew'] button").first.click()
        expect(agreed.locator("form[action*='/withdraw'] button").first).to_be_visible()
        her_page.wait_for_timeout(2_000)  # the door knows the new agreement before the next test
