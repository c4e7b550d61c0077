"""What people do in the browser: the keyboard, the live parts, the journey, signing in and out."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import new_context, sign_in
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
JOURNEY = "Run the licence journey"


def focused(page: Page) -> str:
    return str(
        page.evaluate(
            "(document.activeElement.getAttribute('href') || document.activeElement.name || "
            "document.activeElement.textContent || '').trim()"
        )
    )


@pytest.mark.parametrize("path", ["/", "/portal/happened", "/identity/sign-in"])
def test_the_first_tab_skips_to_the_content(page: Page, path: str) -> None:
    page.goto(path)
    page.keyboard.press("Tab")
    assert focused(page) == "#main"
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_is_always_seen(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    seen = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.add(focused(page))
        ring = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement);"
            " return [s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        assert ring[0] == "solid", focused(page)
        assert ring[1] >= 3
    assert "/portal/licence" in seen, "the keyboard reaches the links of the page"


def test_the_keyboard_runs_the_journey(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name=JOURNEY).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/happened?trace=*")
    expect(page.locator("svg.sequence .call")).to_have_count(page.locator(".in-words li").count())
    expect(page.get_by_text("asked notify to send an email.").last).to_be_visible()


def test_what_to_do_now_is_told_without_scrolling(page: Page) -> None:
    for path in ("/", "/?lang=dv"):
        page.goto(path)
        for selector in ("h1", "form .govuk-button", "svg.picture", ".door >> nth=2"):
            expect(page.locator(selector).first).to_be_in_viewport(ratio=0.9)


def test_a_passing_call_lights_the_picture_and_is_announced(
    page: Page, chromium: Browser, running_platform: RunningPlatform
) -> None:
    page.goto("/")
    other = new_context(chromium, running_platform).new_page()
    other.goto("/")
    other.get_by_role("button", name=JOURNEY).click()
    expect(page.locator("svg.picture .spark").first).to_be_visible()
    expect(page.locator("[data-live-announce]")).not_to_be_empty()
    expect(page.locator("[data-live-announce]")).to_have_attribute("aria-live", "polite")
    other.context.close()


def test_live_parts_pause_and_say_so(page: Page) -> None:
    page.goto("/portal/happened")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-live-state]")).to_contain_text("Paused")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_live_parts_say_when_the_platform_is_lost(page: Page) -> None:
    page.goto("/portal/happened")
    page.route("**/portal/live/**", lambda route: route.abort())
    expect(page.locator("[data-live-state]")).to_contain_text("not answering")
    page.unroute("**/portal/live/**")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


@pytest.fixture
def plain(chromium: Browser, running_platform: RunningPlatform) -> Iterator[Page]:
    """A browser without JavaScript."""
    context = new_context(chromium, running_platform, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_everything_works_without_javascript(plain: Page) -> None:
    plain.goto("/")
    plain.get_by_role("button", name=JOURNEY).click()
    plain.wait_for_url("**/portal/happened?trace=*")
    expect(plain.locator("svg.sequence")).to_be_visible()
    expect(plain.get_by_role("link", name="Refresh")).to_be_visible()
    expect(plain.get_by_role("button", name="Pause")).to_be_hidden()
    sign_in(plain, "hassan")
    expect(plain.get_by_text("No texts yet.")).to_be_visible()


def test_aishath_finds_her_messages_and_who_looked(her_page: Page) -> None:
    her_page.goto("/portal/inbox")
    expect(her_page.locator(".message").first).to_be_visible(timeout=20_000)
    her_page.get_by_role("link", name="Email").click()
    expect(her_page.locator(".message").first).to_be_visible()
    her_page.goto("/portal/my-data")
    expect(her_page.get_by_text("Licence for a fishing vessel").first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "dv"])
def test_be_a_citizen_is_three_presses_from_the_inbox(page: Page, language: str) -> None:
    suffix = "" if language == "en" else "?lang=dv"
    page.goto(f"/{suffix}")
    page.locator(".door a").first.click()
    page.locator("a[href*='person=mariyam']").click()
    page.locator("#form button").click()
    page.wait_for_url(f"**/portal/inbox{suffix}")
    page.goto(f"/{suffix}")
    page.locator(".door a").first.click()
    page.wait_for_url(f"**/portal/inbox{suffix}")


def test_signing_out_leaves_nothing_open(page: Page) -> None:
    sign_in(page, "zeena")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/")
    page.goto("/portal/inbox")
    expect(page.get_by_role("heading", name="Sign in to see this page")).to_be_visible()


def test_no_page_loads_anything_from_elsewhere_or_breaks_its_policy(her_page: Page) -> None:
    asked: list[str] = []
    troubles: list[str] = []
    her_page.on("request", lambda request: asked.append(request.url))
    her_page.on("console", lambda message: troubles.append(message.text))
    her_page.on("pageerror", lambda error: troubles.append(str(error)))
    for path in ("/", "/portal/happened", "/portal/registers/island", "/portal/inbox"):
        her_page.goto(path)
        her_page.wait_for_timeout(300)
    assert not [url for url in asked if "://localhost:" not in url and not url.startswith("data:")]
    assert troubles == []


def test_printing_drops_the_navigation(page: Page) -> None:
    page.goto("/portal/happened")
    page.emulate_media(media="print")
    for selector in (".site-nav", ".live-bar", ".site-footer"):
        expect(page.locator(selector)).to_be_hidden()
    expect(page.get_by_role("heading", name="What just happened")).to_be_visible()


def test_the_language_switch_keeps_the_page(page: Page) -> None:
    page.goto("/portal/registers/island")
    page.get_by_role("link", name="ދިވެހި").click()
    page.wait_for_url("**/portal/registers/island?lang=dv")
    assert page.locator("html").get_attribute("dir") == "rtl"
    page.locator(".site-nav a").first.click()
    page.wait_for_url("**/portal/registers?lang=dv")
    page.get_by_role("link", name="English").click()
    page.wait_for_url("**/portal/registers")
