"""The webhook tester in a real browser: what strangers send stays text, whatever it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.browser.conftest import new_context
from tests.browser.test_accessibility import complaints
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
HOOKS = "/portal/developers/hooks"
EVIL = "</code></pre><h1>Owned</h1><script>document.title = 'owned'</script>"


@pytest.fixture(scope="module")
def address(
    chromium: Browser, running_platform: RunningPlatform, aishath: Any
) -> Iterator[tuple[str, Any]]:
    """An address with something hostile in it: its page's path, and the browser's cookies."""
    context = new_context(chromium, running_platform, storage_state=aishath)
    page = context.new_page()
    page.goto(HOOKS)
    page.get_by_role("button", name="Make an address").click()
    page.wait_for_url(f"**{HOOKS}/*")
    inbox = page.url.rpartition("/")[2]
    target = f"{running_platform.url}/portal/hooks/{inbox}"
    answer = requests.post(target, data=EVIL, headers={"Content-Type": "text/html"}, timeout=10)
    assert answer.status_code == 204
    yield f"{HOOKS}/{inbox}", context.storage_state()
    page.goto(f"{HOOKS}/{inbox}")
    page.get_by_role("button", name="Remove this address").click()
    page.wait_for_url(f"**{HOOKS}")
    context.close()


@pytest.fixture
def hook_page(
    chromium: Browser, running_platform: RunningPlatform, address: tuple[str, Any]
) -> Iterator[Page]:
    """A page that scripts of the test may look at; the policy of the page itself forbids them."""
    context = new_context(chromium, running_platform, storage_state=address[1], bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("language", ["en", "dv"])
def test_axe_finds_nothing_on_what_arrived(
    hook_page: Page, address: tuple[str, Any], language: str
) -> None:
    hook_page.goto(f"{address[0]}?lang={language}")
    assert hook_page.locator("html").get_attribute("lang") == language
    assert hook_page.locator("section.look").count() == 1
    assert complaints(hook_page) == []


def test_what_was_sent_is_read_as_text(hook_page: Page, address: tuple[str, Any]) -> None:
    hook_page.goto(address[0])  # even where the page's own policy does not protect it
    assert EVIL in hook_page.locator("section.look pre.answer").inner_text()
    assert hook_page.get_by_role("heading", level=1).count() == 1
    assert "owned" not in hook_page.title()
