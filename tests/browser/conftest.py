"""A real headless Chromium in front of a really running platform."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.platform import RunningPlatform

HOW_TO_ENABLE = "Chromium is not installed; `apt-get install chromium` enables these tests"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, or a skip that says how to get one.

    It ends with its module: while Playwright runs, nothing else in this thread can run a loop.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(HOW_TO_ENABLE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def new_context(chromium: Browser, platform: RunningPlatform, **options: Any) -> BrowserContext:
    context = chromium.new_context(base_url=platform.url, viewport=LAPTOP, **options)
    context.set_default_timeout(15_000)
    return context


@pytest.fixture
def page(chromium: Browser, running_platform: RunningPlatform) -> Iterator[Page]:
    """A page of a browser where nobody is signed in."""
    context = new_context(chromium, running_platform)
    yield context.new_page()
    context.close()


def sign_in(page: Page, username: str) -> None:
    """Sign in as a person of the demonstration by the two presses that a trainee makes."""
    page.goto("/portal/inbox")
    page.get_by_role("button", name="Sign in").click()
    page.locator(f"a[href*='person={username}']").click()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/portal/inbox")


@pytest.fixture(scope="module")
def aishath(chromium: Browser, running_platform: RunningPlatform) -> Any:
    """The cookies of a browser where Aishath is signed in and has applied for her licence."""
    kept = running_platform.kept.get("aishath")  # a one-time code works once in 30 seconds
    context = new_context(chromium, running_platform, storage_state=kept)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("button", name="Run the licence journey").click()
    page.wait_for_url("**/portal/happened?trace=*")
    page.goto("/portal/inbox")
    if page.get_by_role("button", name="Sign out").count() == 0:
        sign_in(page, "aishath")
    running_platform.kept["aishath"] = state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def her_page(chromium: Browser, running_platform: RunningPlatform, aishath: Any) -> Iterator[Page]:
    """A page of the browser where Aishath is signed in."""
    context = new_context(chromium, running_platform, storage_state=aishath)
    yield context.new_page()
    context.close()
