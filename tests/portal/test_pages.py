"""Every page answers in both languages, alone, empty, and when a component is down."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.portal.conftest import Browser
from tests.portal.platform import PERSONAL, REFUSED, FakePlatform, exchange

PUBLIC = [
    "/",
    "/portal/live/picture",
    "/portal/registers",
    "/portal/registers/island",
    "/portal/registers/island/records/K-Thulusdhoo",
    "/portal/happened",
    "/portal/happened?trace=" + "a" * 32,
    "/portal/happened?all=1",
    "/portal/happened?step=2&trace=" + "a" * 32,
    "/portal/happened?present=1&step=1&trace=" + "a" * 32,
    "/portal/live/happened",
    "/portal/reuse",
    "/portal/reuse?days=7",
    "/portal/happened?service=identity&caller=fisheries",
    f"/portal/happened/{2:024x}?trace=" + "a" * 32,
    "/portal/status",
    "/portal/apis",
    "/portal/directory",
    "/portal/teach",
    "/portal/apis/registers",
    "/portal/apis/portal",
    "/portal/apis/registers/listRecords",
    "/portal/apis/registers/append",
    "/portal/apis/notify/readInbox",
    "/portal/problems",
    "/portal/problems/not-found",
    "/portal/licence",
    "/portal/birth",
    "/portal/ferry",
]
OWN = ["/portal/inbox", "/portal/inbox?channel=email", "/portal/my-data"]
SERVICES = ["identity", "registers", "notify", "gateway"]


def in_dhivehi(path: str) -> str:
    return path + ("&" if "?" in path else "?") + "lang=dv"


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_answers_in_both_languages(browser: Browser, path: str) -> None:
    english, dhivehi = browser.text(path), browser.text(in_dhivehi(path))
    assert english != dhivehi
    if "/live/" not in path:
        assert '<html lang="en" dir="ltr">' in english
        assert '<html lang="dv" dir="rtl">' in dhivehi


@pytest.mark.parametrize("path", OWN)
def test_a_page_of_one_person_answers_her_in_both_languages(browser: Browser, path: str) -> None:
    browser.sign_in()
    assert "Signed in as Aishath Demo" in browser.text(path)
    assert "ޢައިޝަތު" in browser.text(in_dhivehi(path))


@pytest.mark.parametrize("path", OWN)
def test_a_page_of_one_person_offers_sign_in_to_everyone_else(browser: Browser, path: str) -> None:
    text = browser.text(path, 403)
    assert "/portal/sign-in?back=" in text
    assert not [one for one in browser.platform.requests if "inbox" in str(one.url)]


@pytest.mark.parametrize("down", SERVICES)
@pytest.mark.parametrize("how", ["down", "broken"])
def test_pages_stand_while_a_component_is_away(
    browser: Browser, platform: FakePlatform, down: str, how: str
) -> None:
    browser.sign_in()
    getattr(platform, how).add(down)
    for path in PUBLIC + OWN:
        answer = browser.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert len(re.sub(r"<[^>]*>", "", answer.text).strip()) > 20, path


@pytest.mark.parametrize(
    ("down", "path", "sentence"),
    [
        ("registers", "/", "The registers are not answering"),
        ("registers", "/portal/registers", "The registers are not answering"),
        ("registers", "/portal/registers/island", "The registers are not answering"),
        (
            "registers",
            "/portal/registers/island/records/K-Thulusdhoo",
            "The registers are not answering",
        ),
        ("gateway", "/", "log is not answering"),
        ("gateway", "/portal/happened", "log is not answering"),
        ("gateway", "/portal/reuse", "log is not answering"),
        ("gateway", f"/portal/happened/{2:024x}?trace=" + "a" * 32, "log is not answering"),
        ("notify", "/portal/status", "held back from 1 copies"),
        ("gateway", "/portal/my-data", "log is not answering"),
        ("notify", "/portal/inbox", "notify is not answering"),
        ("notify", "/portal/apis/notify", "This API is not answering"),
    ],
)
def test_a_component_that_is_away_is_told_in_a_plain_sentence(
    browser: Browser, platform: FakePlatform, down: str, path: str, sentence: str
) -> None:
    browser.sign_in()
    platform.down.add(down)
    assert sentence in browser.text(path)


def test_registers_are_read_without_identity(browser: Browser, platform: FakePlatform) -> None:
    platform.down.add("identity")
    assert "Thulusdhoo" in browser.text("/portal/registers/island")


def test_the_picture_tells_who_is_down(browser: Browser, platform: FakePlatform) -> None:
    assert "not answering" not in browser.text("/portal/live/picture")
    platform.down.add("notify")
    assert browser.text("/portal/live/picture").count("not answering") == 1


def test_the_start_page_offers_three_doors_the_sizes_and_the_journey(browser: Browser) -> None:
    text = browser.text("/")
    for words in ("Be a citizen", "Be a developer", "Teach with it", "189 records", "Made up"):
        assert words in text
    assert '<form class="no-print" method="post" action="/portal/licence">' in text


@pytest.mark.parametrize("language", ["en", "dv"])
def test_be_a_citizen_leads_to_the_sign_in_and_the_signed_in_to_the_inbox(
    browser: Browser, language: str
) -> None:
    door = re.compile(r'<li class="door"><a href="([^"]+)">')
    start = "/" if language == "en" else "/?lang=dv"
    wanted = "/portal/inbox" if language == "en" else "/portal/inbox?lang=dv"
    found = door.search(browser.text(start))
    assert found
    asked = browser.get(unescape(found[1]))
    assert asked.status_code == 303
    assert asked.location.startswith("http://localhost:8000/identity/authorize?")
    query = {k: v[0] for k, v in parse_qs(urlsplit(asked.location).query).items()}
    browser.platform.nonce = query["nonce"]
    assert browser.come_back(query).location == wanted
    found = door.search(browser.text(start))
    assert found
    assert unescape(found[1]) == wanted


def test_empty_lists_say_what_to_do(browser: Browser, platform: FakePlatform) -> None:
    platform.exchanges, platform.own, platform.records = [], [], {}
    browser.sign_in()
    assert "No calls yet. Run the licence journey" in browser.text("/portal/happened")
    assert "No calls yet" in browser.text("/")
    assert "No texts yet. Run the licence journey" in browser.text("/portal/inbox")
    assert "Nobody has looked yet" in browser.text("/portal/my-data")
    assert "This register has no records yet" in browser.text("/portal/registers/island")


def test_unknown_things_are_not_found(browser: Browser) -> None:
    for path in (
        "/portal/registers/nothing",
        "/portal/registers/island/records/nothing",
        "/portal/apis/nothing",
        f"/portal/happened/{9:024x}?trace=" + "a" * 32,
        f"/portal/happened/{2:024x}",
        "/portal/happened/x?trace=" + "a" * 32,
        "/portal/apis/registers/nothing",
        "/portal/apis/nothing/listRecords",
        "/portal/problems/nothing",
        "/portal/nothing",
    ):
        assert "Nothing is here" in browser.text(path, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/portal/happened?trace=%00",
        "/portal/happened?trace=" + "é" * 32,
        "/portal/registers/%00",
        "/portal/registers/..%2F..%2Fidentity",
        "/portal/registers/island/records/%ED%A0%80",
        "/portal/registers/island?page-start=" + "9" * 5000,
        "/portal/apis/%F0%9F%90%9F",
        "/portal/problems/../../etc",
        "/portal/callback?state=%ED%A0%80&iss=%00&code=x",
        "/portal/callback",
        "/portal/sign-in?back=%00",
        "/?lang=" + "x" * 5000,
    ],
)
def test_bad_input_is_answered_without_a_fault(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code < 500


@pytest.mark.parametrize("channel", ["nothing", "", "\x00", "sms'--"])
def test_an_unknown_channel_shows_the_phone(browser: Browser, channel: str) -> None:
    browser.sign_in()
    assert browser.get("/portal/inbox", query_string={"channel": channel}).status_code == 200


def test_wrong_methods_are_told_what_is_taken(browser: Browser) -> None:
    answer = browser.post("/portal/happened")
    assert (answer.status_code, "GET" in answer.headers["Allow"]) == (405, True)


def test_a_program_gets_problem_details(browser: Browser) -> None:
    answer = browser.get("/portal/inbox", headers={"Accept": "application/json"})
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["type"].endswith("/portal/problems/sign-in-needed")


def test_only_the_gateway_is_answered(browser: Browser) -> None:
    answer = browser.get("/", headers={"Atoll-Gateway-Key": "another"})
    assert answer.status_code == 403


def test_no_page_carries_inline_scripts_or_styles(browser: Browser) -> None:
    browser.sign_in()
    for path in PUBLIC + OWN:
        for page in (browser.get(path), browser.get(in_dhivehi(path))):
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page.text), path
            assert not re.search(r"<script(?![^>]*\ssrc=)", page.text), path
            if "/live/" not in path:
                assert "script-src 'self'" in page.headers["Content-Security-Policy"]
            assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_strangers_words_are_shown_as_words(browser: Browser, platform: FakePlatform) -> None:
    bad = "<script>alert(1)</script>"
    platform.records["K-Thulusdhoo"]["name"] = bad
    platform.exchanges = [
        exchange(2, **REFUSED | {"caption": {"en": bad}, "sentence": bad, "service": bad})
    ]
    platform.own = [exchange(1, **PERSONAL | {"caption": {"en": bad}, "categories": [bad]})]
    message: dict[str, Any] = {"service": {"name": bad}, "subject": bad, "sent_at": bad}
    message["parts"] = [
        {"kind": kind, "lines": [{"text": bad, "language": bad, "direction": bad}]}
        for kind in ("heading", "subheading", "lines", "bullets", "numbers", bad)
    ]
    platform.messages["sms"] = [message]
    browser.sign_in()
    for path in PUBLIC + OWN:
        assert bad not in browser.text(path), path


def test_an_api_page_leads_to_each_operation(browser: Browser) -> None:
    text = browser.text("/portal/apis/registers")
    assert "curl http://localhost:8000/registers/atoll/records" in text
    assert "no token needed" in text
    assert "registers.read" in text
    assert 'href="/portal/apis/registers/listRecords"' in text


def test_languages_lead_to_the_same_page(browser: Browser) -> None:
    assert 'href="/portal/happened?all=1&amp;lang=dv"' in browser.text("/portal/happened?all=1")
    assert 'href="/portal/happened?all=1"' in browser.text("/portal/happened?all=1&lang=dv")


def test_no_page_address_names_a_person(browser: Browser) -> None:
    browser.sign_in()
    for path in PUBLIC + OWN:
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', browser.text(path)):
            assert "ishath" not in address
            assert "person-" not in address  # as subjects begin


def test_the_portal_reads_only_what_its_own_tokens_allow(
    browser: Browser, platform: FakePlatform
) -> None:
    browser.sign_in()
    for path in PUBLIC + OWN:
        browser.text(path)

    def subjects(path: str) -> set[Any]:
        return {
            platform.claims(one)["sub"]
            for one in platform.requests
            if path in str(one.url) and "Authorization" in one.headers
        }

    assert subjects("/registers") == {"portal"}
    assert subjects("/notify/inbox") == {"person-aishath"}


def test_presenting_stays_on_through_the_steps_until_it_is_left(browser: Browser) -> None:
    trace = "a" * 32
    page = browser.text(f"/portal/happened?present=1&step=1&trace={trace}")
    assert "present.css" in page
    assert f'href="/portal/happened?trace={trace}&amp;present=1&amp;step=2"' in page
    assert f'href="/portal/happened?trace={trace}&amp;step=1"' in page
    assert "present.css" not in browser.text(f"/portal/happened?step=1&trace={trace}")


def test_the_reuse_map_draws_and_counts_every_pair(browser: Browser) -> None:
    page = browser.text("/portal/reuse")
    assert page.count('class="use') == 2
    assert 'class="use failing"' in page
    assert "40 calls" in page
    assert "&lt; 5 ms" in page
    assert "Without the platform 1 × 2 = 2." in page
    browser.platform.reuse = {**browser.platform.reuse, "pairs": [], "consumers": []}
    assert "No calls were counted yet" in browser.text("/portal/reuse")


def test_the_reuse_map_is_taken_along_as_csv_and_json(browser: Browser) -> None:
    answer = browser.get("/portal/reuse.csv")
    assert answer.headers["Content-Type"] == "text/csv;charset=UTF-8"
    first, _, registers = answer.text.splitlines()
    assert first.startswith("consumer,component,calls")
    assert registers.startswith("fisheries,registers,40,0,0,0,0,5,,")
    assert browser.get("/portal/reuse.json").json["pairs"][0]["component"] == "notify"
    browser.platform.down.add("gateway")
    assert browser.get("/portal/reuse.csv").status_code == 503


def test_calls_are_shown_by_component_caller_and_person(browser: Browser) -> None:
    page = browser.text("/portal/happened?service=identity&caller=fisheries")
    asked = browser.platform.requests[-1].url
    assert "service=identity" in asked
    assert "caller=fisheries" in asked
    assert '<option value="identity" selected>' in page
    assert "mine" not in page
    browser.sign_in()
    page = browser.text("/portal/happened?mine=1")
    assert 'name="mine" value="1" checked' in page
    assert "exchanges.own" in browser.platform.claims(browser.platform.requests[-1])["scope"]


def test_one_call_is_shown_with_its_record_and_its_proof(browser: Browser) -> None:
    page = unescape(browser.text(f"/portal/happened/{3:024x}?trace=" + "a" * 32))
    assert "GET /registers/{register}/records/{key}" in page
    assert '"duration_us": 4200' in page
    assert "This is leaf 57 of the log’s tree. 2 hashes lead from it" in page


def test_the_status_page_says_how_fresh_the_door_is(browser: Browser) -> None:
    assert "Every component answers" in browser.text("/portal/status")
    browser.platform.down.add("registers")
    page = browser.text("/portal/status")
    assert "What stands in red does not answer" in page
    assert "0 of 1" in page
