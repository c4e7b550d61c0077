"""What a developer finds first: every API in one list, three steps, and what to read."""

import re

import pytest

from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform

GUIDES = ("conventions", "libraries", "changes")


def test_every_api_is_one_line_with_owner_contract_and_state(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.down = {"notify"}
    text = browser.text("/portal/apis")
    for service in ("gateway", "identity", "registers", "notify", "portal"):
        row = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*/{service}/openapi\.json.*?</tr>", text, re.S)
        assert row, service
        assert "Office" in row[0]
        assert ("not answering" in row[0]) == (service == "notify"), row[0]


def test_a_first_call_is_three_steps_away(browser: Browser) -> None:
    text = browser.text("/portal/apis")
    steps = text.partition('<ol class="steps">')[2].partition("</ol>")[0]
    links = re.findall(r'href="([^"]+)"', steps)
    assert links == [
        "/portal/apis/registers/readRecord#try",
        "/portal/happened",
        "/portal/developers/apps/new",
    ]


def test_the_door_for_developers_leads_to_the_list(browser: Browser) -> None:
    assert '<a href="/portal/apis">Be a developer</a>' in browser.text("/")


@pytest.mark.parametrize("language", ["en", "dv"])
@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_names_no_address_but_this_platforms(
    browser: Browser, guide: str, language: str
) -> None:
    text = browser.text(f"/portal/developers/{guide}?lang={language}")
    assert "{public}" not in text
    assert set(re.findall(r"https?://[^/\s\"'<&]+", text)) <= {"http://localhost:8000"}


def test_the_changelog_says_which_version_runs_and_who_is_away(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.down = {"registers"}
    text = browser.text("/portal/developers/changes")
    assert "Not answering now" in text
    assert "Version 1 runs now" in text  # the portal's own


def test_an_answer_shows_what_is_left_of_a_limit(browser: Browser, platform: FakePlatform) -> None:
    path = "/portal/apis/registers/listRecords"
    form = {"form_token": browser.form_token(path), "path.register": "island"}
    other = platform.send

    def limited(request: object, **options: object) -> object:
        answer = other(request, **options)
        answer.headers["RateLimit"] = '"client";r=41;t=7'
        return answer

    platform.send = limited  # type: ignore[method-assign, assignment]
    assert "ratelimit: &#34;client&#34;;r=41;t=7" in browser.post(path, data=form).text


def test_samples_can_be_copied_where_a_script_runs(browser: Browser) -> None:
    text = browser.text("/portal/apis/registers/listRecords")
    targets = re.findall(r'data-copy="([^"]+)"[^>]*hidden', text)
    assert targets == ["sample-curl", "sample-python", "sample-javascript"]
    assert all(f'id="{one}"' in text for one in targets)
