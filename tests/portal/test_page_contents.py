"""What each page says: messages, looks at data, calls, steps, records and their values."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.portal import registers
from tests.portal.conftest import Browser
from tests.portal.platform import PERSONAL, REFUSED, FakePlatform, exchange


def part(kind: str, *lines: tuple[str, str, str]) -> dict[str, Any]:
    """A part of a message as notify gives it."""
    names = ("text", "language", "direction")
    return {"kind": kind, "lines": [dict(zip(names, line, strict=True)) for line in lines]}


def test_a_message_is_shown_with_its_sender_and_time(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.messages["email"] = [
        {
            "id": "1",
            "service": {"name": "Fisheries Department"},
            "subject": "Your licence",
            "parts": [
                part("lines", ("It is granted.", "en", "ltr"), ("ދޫކޮށްފި.", "dv", "rtl")),
                part("bullets", ("See https://atoll.example/x.", "en", "ltr")),
                part("numbers", ("javascript://atoll.example", "dv", "rtl")),
                part("heading", ("What now", "en", "ltr")),
            ],
            "sent_at": "2026-03-03T05:15:00Z",
        }
    ]
    browser.sign_in()
    text = browser.text("/portal/inbox?channel=email")
    for words in (
        "From Fisheries Department",
        "Your licence",
        "It is granted.",
        '<time datetime="2026-03-03T05:15:00Z">3 March 2026, 10:15</time>',
        '<span lang="dv" dir="rtl">ދޫކޮށްފި.</span>',
        '<ul dir="ltr"><li lang="en" dir="ltr">See <a href="https://atoll.example/x"',
        '<ol dir="rtl"><li lang="dv" dir="rtl">javascript://atoll.example</li></ol>',
        '<h3 lang="en" dir="ltr">What now</h3>',
    ):
        assert words in text
    asked = [one for one in platform.requests if "/notify/inbox" in str(one.url)][-1]
    assert asked.headers["Atoll-Purpose"] == "own-data"
    assert platform.claims(asked)["sub"] == "person-aishath"


def test_my_data_says_who_what_why_and_on_what_ground(browser: Browser) -> None:
    browser.sign_in()
    text = browser.text("/portal/my-data")
    for words in ("Fisheries Department", "contact details", "Licence for a vessel"):
        assert words in text
    assert "the person agreed" in text
    assert 'href="/identity/consents"' in text


def test_my_own_looks_are_folded_behind_those_of_others(
    browser: Browser, platform: FakePlatform
) -> None:
    mine = PERSONAL | {"basis": "own", "purpose": None, "categories": ["messages"]}
    platform.own = [exchange(9, **mine), exchange(8, **mine), exchange(7, **PERSONAL)]
    browser.sign_in()
    text = browser.text("/portal/my-data")
    assert text.index("contact details") < text.index("Your own looks: 2")
    platform.own = [exchange(9, **mine)]
    text = browser.text("/portal/my-data")
    assert text.index("Nobody has looked yet") < text.index("Your own looks: 1")


def test_happened_shows_calls_in_order_with_whose_data_was_seen(browser: Browser) -> None:
    text = browser.text("/portal/happened")
    first = text.index("asked registers for K-Thulusdhoo")
    assert first < text.index("read a person&#39;s contact details", first)
    assert "A person’s data" in text
    assert "One person, who sees it under" in text


def test_happened_hides_the_portals_own_page_work_until_asked(
    browser: Browser, platform: FakePlatform
) -> None:
    mine = {"client_id": "portal", "name": {"en": "The portal"}}
    platform.exchanges.append(exchange(4, caller=mine, caption={"en": "Portal read a page."}))
    assert "Portal read a page." not in browser.text("/portal/happened")
    assert "Portal read a page." in browser.text("/portal/happened?all=1")


def test_a_refused_journey_says_who_refused_and_why(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.exchanges = [exchange(2, **REFUSED), exchange(1)]
    text = browser.text("/portal/happened?trace=" + "a" * 32)
    assert "Fisheries Department was refused at call 2." in text
    assert "The agreement was withdrawn on 3 March 2026." in text
    assert 'class="cross"' in text


ONE_RUN = "/portal/happened?trace=" + "a" * 32


@pytest.mark.parametrize("page", [ONE_RUN, ONE_RUN + "&step=2", "/portal/my-data"])
def test_what_a_service_declined_is_not_shown_as_seen(
    browser: Browser, platform: FakePlatform, page: str
) -> None:
    declined = PERSONAL | {"outcome": "declined", "status": 403, "sentence": "It has ended."}
    platform.exchanges = [exchange(2, **declined), exchange(1)]
    platform.own = [exchange(2, **declined)]
    if page == "/portal/my-data":
        browser.sign_in()
    text = browser.text(page)
    assert "It has ended." in text
    assert "the person agreed\n" not in text
    assert ">contact details<" not in text


def test_a_step_shows_the_calls_until_then_and_leads_on_and_back(browser: Browser) -> None:
    first, second = browser.text(ONE_RUN + "&step=1"), browser.text(ONE_RUN + "&step=2")
    assert "Step 1 of 3" in first
    assert [page.count('class="badge"') for page in (first, second)] == [1, 2]
    assert 'rel="prev"' not in first
    for rel, step in (("prev", 1), ("next", 3)):
        link = re.search(rf'<a[^>]* href="([^"]+)" rel="{rel}"', second)
        assert link
        assert parse_qs(urlsplit(unescape(link[1])).query) == {
            "step": [str(step)],
            "trace": ["a" * 32],
        }
    assert f'href="{ONE_RUN}"' in second, "the way back to all steps"
    assert second.count('aria-current="step"') == 1
    assert "data-live" not in second.replace("data-live-says", "")


def test_the_step_about_a_person_explains_purpose_and_agreement(browser: Browser) -> None:
    assert "the purpose (Licence for a vessel)" in browser.text(ONE_RUN + "&step=3")
    assert "the purpose (" not in browser.text(ONE_RUN + "&step=2")


def test_a_refused_step_ends_with_the_sentence_of_the_door(
    browser: Browser, platform: FakePlatform
) -> None:
    platform.exchanges = [exchange(2, **REFUSED), exchange(1)]
    text = browser.text(ONE_RUN + "&step=2")
    sentence = text.partition("<blockquote")[2].partition("</blockquote>")[0]
    assert "The agreement was withdrawn on 3 March 2026." in sentence
    assert 'rel="next"' not in text


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("0", "Step 1"),
        ("99999", "Step 3"),
        ("-1", None),
        ("x", None),
        ("٣", None),
        ("9" * 99, None),
    ],
)
def test_an_odd_step_is_the_nearest_or_all(browser: Browser, step: str, shown: str | None) -> None:
    text = browser.text(f"{ONE_RUN}&step={step}")
    assert (f"{shown} of 3" in text) if shown else ("step-now" not in text)
    assert "step-now" not in browser.text(f"/portal/happened?step={step}"), "steps are of one run"


def test_a_live_part_is_answered_once(browser: Browser, platform: FakePlatform) -> None:
    for path in ("/portal/live/picture", "/portal/live/happened"):
        tag = browser.get(path).headers["ETag"]
        assert browser.get(path, headers={"If-None-Match": tag}).status_code == 304
        platform.exchanges = [exchange(9, caption={"en": f"Something new for {path}."})]
        assert browser.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_register_leads_to_its_next_page(browser: Browser, platform: FakePlatform) -> None:
    platform.next_records = "http://localhost:8000/registers/island/records?after=K&limit=50"
    text = browser.text("/portal/registers/island?lang=dv")
    assert "page-after=K&amp;page-limit=50&amp;lang=dv" in text
    browser.text("/portal/registers/island?page-after=K&page-limit=50")
    asked = [one for one in platform.requests if "/island/records?" in str(one.url)][-1]
    assert str(asked.url).endswith("/registers/island/records?after=K&limit=50")


def test_a_record_links_to_the_record_that_it_names(browser: Browser) -> None:
    text = browser.text("/portal/registers/island/records/K-Thulusdhoo")
    assert 'href="/portal/registers/atoll/records/K"' in text
    assert "Entry 7" in text


def test_each_entry_of_a_history_can_be_checked(browser: Browser, platform: FakePlatform) -> None:
    names = ["Tulusdu", "Tulusdhoo", "Thulusdhoo"]
    path = "GET island/records/K-Thulusdhoo/history"
    platform.answers[path] = registers.life([7, 30, 190], names)
    text = browser.text("/portal/registers/island/records/K-Thulusdhoo")
    for number in (7, 30, 190):
        assert text.count(f'data-entry="{number}"') == text.count(f'id="check-{number}"') == 1
    assert text.index('data-entry="190"') < text.index('data-entry="30"')


def test_values_read_as_what_they_are(browser: Browser) -> None:
    table = browser.text("/portal/registers/island")
    record = browser.text("/portal/registers/island/records/K-Thulusdhoo")
    for text in (table, record):
        assert "4.37°\u00a0N, 73.65°\u00a0E" in text
        assert 'href="/portal/registers/council/records/K1"' in text
        assert 'href="/portal/registers/council/records/K2"' in text
        assert '<bdi lang="dv">ތުލުސްދޫ</bdi>' in text
    for figure in ("1408", "0.762"):
        assert f'<td class="govuk-table__cell--numeric"><bdi class="figure">{figure}</bdi>' in table
    assert ">ރަށް</th>" in browser.text("/portal/registers/island?lang=dv")


def test_a_register_credits_its_sources(browser: Browser) -> None:
    text = browser.text("/portal/registers/island")
    for words in ("Census 2022", "MIT, credited in source", "Demonstration office"):
        assert words in text


def test_an_entry_can_be_checked_in_the_browser_or_by_other_means(browser: Browser) -> None:
    text = browser.text("/portal/registers/island/records/K-Thulusdhoo")
    button = re.search(r"<button[^>]* data-check [^>]*>", text)
    assert button
    for said in ('data-register="island"', 'data-entry="7"', 'data-blob="1220ab"', " hidden>"):
        assert said in button[0]
    assert 'data-good="This entry is entry {number} of {size}.' in text
    for path in ("entries/7", "blobs/1220ab", "proofs/register", "proofs/entries/7/190"):
        assert f'href="/registers/island/{path}"' in text
