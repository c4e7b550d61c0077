"""My calls: those of one's own programs and nobody else's, and the curl that sends one again."""

import shlex
import subprocess
from typing import Any

import pytest

from services.portal.domain import repeat
from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform, exchange
from tests.portal.test_apps import APP, Identity

CALLS = "/portal/developers/calls"
MINE = {"caller": {"client_id": APP["client_id"], "name": {"en": "Ferry", "dv": "ފެރީ"}}}


@pytest.fixture
def identity(platform: FakePlatform) -> Identity:
    found = Identity(platform)
    platform.exchanges = [
        exchange(3, **MINE, route="/registers/{register}/entries"),
        exchange(2),
        exchange(1, **MINE, status=403, outcome="refused", reason="insufficient-scope"),
    ]
    return found


def asked(platform: FakePlatform) -> list[Any]:
    return [one for one in platform.requests if "/exchanges?" in str(one.url)]


def test_a_developer_sees_the_calls_of_their_own_programs_alone(
    browser: Browser, platform: FakePlatform, identity: Identity
) -> None:
    browser.sign_in()
    text = browser.text(CALLS)
    assert "/registers/{register}/entries" in text
    assert "insufficient-scope" in text
    assert f"{2:024x}" not in text
    assert "Fisheries" not in text
    assert all(f"caller={APP['client_id']}" in one.url for one in asked(platform))
    assert all(platform.claims(one)["scope"] == "exchanges.overview" for one in asked(platform))


def test_identity_is_asked_with_the_persons_own_token(
    browser: Browser, platform: FakePlatform, identity: Identity
) -> None:
    browser.sign_in()
    browser.text(CALLS)
    [one] = [r for r in platform.requests if str(r.url).endswith("/identity/clients")]
    assert platform.claims(one)["sub"] == "person-aishath"


def test_nobody_sees_calls_without_signing_in(browser: Browser, identity: Identity) -> None:
    assert browser.get(CALLS).status_code == 403
    assert browser.get(f"{CALLS}/{3:024x}?trace={'a' * 32}").status_code == 403


def test_filters_reach_the_log_and_a_program_of_others_is_no_filter(
    browser: Browser, platform: FakePlatform, identity: Identity
) -> None:
    browser.sign_in()
    browser.text(f"{CALLS}?app=fisheries&service=registers&outcome=refused")
    [one] = asked(platform)
    assert f"caller={APP['client_id']}" in one.url
    assert "service=registers" in one.url
    assert "outcome=refused" in one.url
    browser.text(f"{CALLS}?service=%27&outcome=everything")
    assert "outcome" not in asked(platform)[-1].url


def test_one_call_can_be_sent_again_and_a_call_of_others_is_not_there(
    browser: Browser, identity: Identity
) -> None:
    browser.sign_in()
    text = browser.text(f"{CALLS}/{1:024x}?trace={'a' * 32}")
    assert "/registers/island/records/K-Thulusdhoo" in text
    assert "Bearer $TOKEN" in text
    assert "/portal/problems/insufficient-scope" in text
    for other in (f"{2:024x}", f"{9:024x}", "x"):
        assert browser.get(f"{CALLS}/{other}?trace={'a' * 32}").status_code == 404
    assert browser.get(f"{CALLS}/{1:024x}?trace=b").status_code == 404


def test_without_programs_the_page_offers_to_register_one(
    browser: Browser, platform: FakePlatform
) -> None:
    none = Identity(platform)
    original = none.route
    platform._route = lambda request, path, query: (  # type: ignore[method-assign]
        (200, {"clients": []}) if path == "/identity/clients" else original(request, path, query)
    )
    browser.sign_in()
    text = browser.text(CALLS)
    assert "You have no programs yet" in text
    assert "/portal/developers/apps/new" in text
    assert asked(platform) == []


@pytest.mark.parametrize("service", ["identity", "gateway"])
def test_a_component_that_is_away_is_a_sentence(
    browser: Browser, platform: FakePlatform, identity: Identity, service: str
) -> None:
    browser.sign_in()
    browser.text(CALLS)  # the person's token is there already
    platform._route = lambda request, path, query: (  # type: ignore[method-assign]
        (503, {"detail": "It is away."})
        if path.startswith("/exchanges" if service == "gateway" else "/identity/clients")
        else identity._other(request, path, query)
    )
    for path in (CALLS, f"{CALLS}/{1:024x}?trace={'a' * 32}"):
        assert "trouble" in browser.text(path)


def test_no_value_of_the_log_leaves_its_place_in_the_shell() -> None:
    evil = '"; touch /tmp/owned; $(id) `id` \\ \n'
    written = repeat.curl(
        "http://localhost:8000",
        "POST",
        "/registers/{register}/records/{key}" + evil,
        {"register": evil, "key": evil},
        token=True,
    )
    assert "$(" not in written
    assert "`" not in written
    words = shlex.split(written.replace("$TOKEN", "t"))
    assert words[:5] == ["curl", "-i", "-X", "POST", words[4]]
    done = subprocess.run(
        ["bash", "-c", f"curl() {{ printf '%s\\n' \"$@\"; }}; TOKEN=t; {written}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[3].startswith("http://localhost:8000/registers/%22%3B")


def test_what_the_log_does_not_hold_is_a_variable() -> None:
    written = repeat.curl(
        "http://localhost:8000", "GET", "/notify/inbox/{message}", {}, token=True,
        purpose="own-data", basis="consent",
    )  # fmt: skip
    assert '/notify/inbox/$MESSAGE"' in written
    assert "Atoll-Purpose: own-data" in written
    assert "$SUBJECT" in written
    assert "$CONSENT" in written
