"""An account in a real browser: made without JavaScript, opened with a passkey, clean for axe."""

from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import new_context
from tests.browser.test_accessibility import complaints, in_language
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.process]
PASSWORD = "three wet coconuts"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
OWN_PAGES = [
    "/identity/factors",
    "/identity/factors?done=passkey-added",
    "/identity/factors/password",
    "/identity/factors/authenticator",
    "/identity/factors/passkeys",
    "/identity/devices",
    "/identity/history",
    "/identity/consents",
]
STRANGERS_PAGES = [
    "/identity/sign-in",
    "/identity/register",
    "/identity/recovery",
    "/identity/recovery/cancel",
]


def begin(page: Page, name: str) -> None:
    """Fill in the first page of a new account."""
    page.goto("/identity/register")
    page.get_by_label("Your name", exact=True).fill(name)
    page.get_by_label("User name").fill("tester")
    page.get_by_label("Email").fill("tester@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/identity/register/second-factor")


def make_with_app(page: Page, name: str) -> tuple[str, pyotp.TOTP, list[str]]:
    """Make an account with an authenticator app; return user name, app and recovery codes."""
    begin(page, name)
    username = page.locator("strong.mono").inner_text()
    app = pyotp.TOTP(page.locator("code.secret").inner_text().replace(" ", ""))
    page.get_by_label("Code", exact=True).fill(app.now())
    page.get_by_role("button", name="Make the account", exact=True).click()
    page.wait_for_url("**/identity/recovery-codes")
    codes = page.locator(".codes code").all_inner_texts()
    page.get_by_role("button", name="I have kept them").click()
    page.wait_for_url("**/identity/factors")
    return username, app, codes


def leave(page: Page) -> None:
    page.goto("/identity/sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


@pytest.fixture
def plugged(page: Page) -> Page:
    """A page of a browser with a passkey device."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return page


@pytest.fixture(scope="module")
def account(chromium: Browser, running_platform: RunningPlatform) -> Any:
    """The cookies of somebody with a new account, a name from right to left."""
    context = new_context(chromium, running_platform)
    make_with_app(context.new_page(), "ނަސީމާ")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def own_page(chromium: Browser, running_platform: RunningPlatform, account: Any) -> Iterator[Page]:
    context = new_context(chromium, running_platform, storage_state=account)
    yield context.new_page()
    context.close()


def test_an_account_is_made_and_used_without_javascript(
    chromium: Browser, running_platform: RunningPlatform
) -> None:
    context = new_context(chromium, running_platform, java_script_enabled=False)
    page = context.new_page()
    username, _, codes = make_with_app(page, "Plain Tester")
    expect(page.get_by_text("Nobody has checked your identity yet.")).to_be_visible()
    leave(page)
    page.goto("/identity/sign-in?to=devices")
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("One-time code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/identity/devices")
    page.get_by_role("button", name="End every sign-in").click()
    page.wait_for_url("**/identity/sign-in?done=ended")
    context.close()


def test_a_passkey_makes_an_account_and_opens_it_again(plugged: Page) -> None:
    begin(plugged, "Passkey Tester")
    plugged.get_by_role("button", name="Make the account with a passkey").click()
    plugged.wait_for_url("**/identity/recovery-codes")
    plugged.get_by_role("button", name="I have kept them").click()
    plugged.wait_for_url("**/identity/factors")
    leave(plugged)
    plugged.goto("/portal/inbox")
    plugged.get_by_role("button", name="Sign in").click()
    plugged.get_by_role("button", name="Use a passkey").click()
    plugged.wait_for_url("**/portal/inbox")
    expect(plugged.get_by_text("Signed in as Passkey Tester")).to_be_visible()
    plugged.goto("/identity/history")
    expect(plugged.get_by_text("With a passkey").first).to_be_visible()


def test_a_passkey_is_added_renamed_and_removed(plugged: Page) -> None:
    make_with_app(plugged, "Adding Tester")
    plugged.get_by_role("link", name="Add a passkey").click()
    plugged.get_by_label("Name of this passkey").fill("my telephone")
    plugged.get_by_role("button", name="Add a passkey").click()
    plugged.wait_for_url("**/identity/factors?done=passkey-added")
    expect(plugged.get_by_role("heading", name="my telephone")).to_be_visible()
    plugged.get_by_text("Rename my telephone").click()
    plugged.get_by_label("Name of this passkey").fill("ފޯނު")
    plugged.get_by_role("button", name="Rename").click()
    expect(plugged.get_by_role("heading", name="ފޯނު")).to_be_visible()
    plugged.get_by_role("button", name="Remove ފޯނު").click()
    plugged.wait_for_url("**/identity/factors?done=passkey-removed")
    expect(plugged.get_by_text("You have no passkey yet.")).to_be_visible()


def test_a_browser_that_says_no_is_told_what_to_do(page: Page) -> None:
    page.goto("/identity/sign-in")
    page.evaluate("() => { navigator.credentials.get = () => Promise.reject(new Error()) }")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The passkey was not used.")).to_be_visible()


def test_who_looked_leads_to_the_account(her_page: Page) -> None:
    her_page.goto("/portal/my-data")
    her_page.get_by_role("link", name="Devices").click()
    her_page.wait_for_url("**/identity/devices")
    expect(her_page.get_by_text("This one", exact=True)).to_be_visible()
    her_page.get_by_role("link", name="Who looked at my data").click()
    her_page.wait_for_url("**/portal/my-data")


@pytest.mark.parametrize("language", ["en", "dv"])
def test_axe_finds_nothing_on_ones_own_pages(own_page: Page, language: str) -> None:
    for path in OWN_PAGES:
        own_page.goto(in_language(path, language))
        assert own_page.locator("html").get_attribute("lang") == language
        assert complaints(own_page) == [], path


@pytest.mark.parametrize("language", ["en", "dv"])
def test_axe_finds_nothing_on_the_way_in(page: Page, language: str) -> None:
    begin(page, "Axe Tester")
    for path in (*STRANGERS_PAGES, "/identity/register/second-factor"):
        page.goto(in_language(path, language))
        assert complaints(page) == [], path
    page.goto(in_language("/identity/recovery", language))
    page.locator("form .govuk-button").click()
    expect(page.locator(".govuk-error-summary")).to_be_visible()
    assert complaints(page) == []
    page.locator("#username").fill("nobody-123456")
    page.locator("input[value=everything]").check()
    page.locator("form .govuk-button").click()
    page.wait_for_url("**/identity/recovery/proof*")
    assert complaints(page) == []


@pytest.mark.parametrize("language", ["en", "dv"])
def test_every_page_of_the_account_fits_a_phone(own_page: Page, language: str) -> None:
    own_page.set_viewport_size({"width": 320, "height": 844})
    for path in (*OWN_PAGES, *STRANGERS_PAGES):
        own_page.goto(in_language(path, language))
        wide = own_page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
