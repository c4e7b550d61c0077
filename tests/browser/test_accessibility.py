"""axe finds nothing to complain about on any page: both languages, light and dark."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import new_context
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
EVERYTHING = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
COLOURS = {  # the scheme changes nothing but colours
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
PAGES = [
    "/",
    "/portal/licence",
    "/portal/happened",
    "/portal/happened?all=1",
    "/portal/registers",
    "/portal/registers/island",
    "/portal/registers/fishing-vessel",
    "/portal/registers/island/records/K-Thulusdhoo",
    "/portal/registers/council/records/K-Thulusdhoo",
    "/portal/apis",
    "/portal/directory",
    "/portal/teach",
    "/portal/apis/gateway",
    "/portal/apis/identity",
    "/portal/apis/registers",
    "/portal/apis/notify",
    "/portal/apis/portal",
    "/portal/apis/registers/readRecord",
    "/portal/developers/conventions",
    "/portal/developers/libraries",
    "/portal/developers/changes",
    "/portal/developers/calls",
    "/portal/developers/hooks",
    "/portal/developers",
    "/portal/developers/scopes",
    "/portal/developers/token",
    "/portal/developers/apps",
    "/portal/developers/apps/new",
    "/portal/developers/audit",
    "/portal/problems",
    "/portal/problems/consent-withdrawn",
    "/portal/nothing",
    "/portal/callback",
    "/portal/inbox",
    "/portal/inbox?channel=email",
    "/portal/inbox?channel=letter",
    "/portal/my-data",
    "/identity/consents",
]
STRANGERS = ["/", "/portal/inbox", "/portal/sign-in", "/identity/sign-in?person=aishath"]


def complaints(page: Page) -> list[str]:
    """Scan the page in both colour schemes and with everything folded out."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    found = []
    for scheme, rules in (("light", EVERYTHING), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        answer: dict[str, Any] = Axe().run(page, options=rules).response
        found += [
            f"{scheme}: {one['id']} ({one['help']}): {[n['html'][:150] for n in one['nodes'][:3]]}"
            for one in answer["violations"]
        ]
    return found


def in_language(path: str, language: str) -> str:
    return path if language == "en" else path + ("&" if "?" in path else "?") + "lang=dv"


@pytest.mark.parametrize("language", ["en", "dv"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_on_her_pages(her_page: Page, path: str, language: str) -> None:
    her_page.goto(in_language(path, language))
    assert her_page.locator("html").get_attribute("lang") == language
    assert complaints(her_page) == []


@pytest.mark.parametrize("language", ["en", "dv"])
@pytest.mark.parametrize("path", STRANGERS)
def test_axe_finds_nothing_where_nobody_is_signed_in(page: Page, path: str, language: str) -> None:
    page.goto(in_language(path, language))
    assert complaints(page) == []


@pytest.mark.parametrize("language", ["en", "dv"])
def test_axe_finds_nothing_on_a_phone(
    chromium: Browser, running_platform: RunningPlatform, aishath: Any, language: str
) -> None:
    context = new_context(chromium, running_platform, storage_state=aishath)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (
        "/",
        "/portal/happened",
        "/portal/registers/island",
        "/portal/inbox?channel=email",
    ):
        page.goto(in_language(path, language))
        assert complaints(page) == [], path
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        for path in PAGES:
            page.goto(in_language(path, language))
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{path} is {wide} px wider than {width}"
    context.close()
