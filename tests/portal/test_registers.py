"""The pages of registers: searching, narrowing down, lives, proofs, comparing, checking."""

import json
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.portal import registers
from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform

ISLAND = "/portal/registers/island"
RECORD = f"{ISLAND}/records/K-Thulusdhoo"
PAGES = [
    f"{ISLAND}/map", f"{ISLAND}/map?atoll=K&show=K-Thulusdhoo", f"{ISLAND}/compare",
    f"{ISLAND}/check", "/portal/registers/fishing-vessel/map", "/portal/registers/vessel-owner",
    "/portal/registers/vessel-owner/records/5d1f", f"{ISLAND}?q=thulus&f=atoll:atoll:K",
    f"{ISLAND}?at=2026-03-02", f"{RECORD}?size=9", f"{RECORD}?from=7&to=30",
    "/portal/registers?q=islands&kind=real",
]  # fmt: skip


def asked(platform: FakePlatform, part: str) -> list[tuple[str, str]]:
    """Return the query of the newest request for an address."""
    url = [str(one.url) for one in platform.requests if part in str(one.url)][-1]
    return parse_qsl(urlsplit(url).query)


@pytest.mark.parametrize("language", ["en", "dv"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_in_both_languages(browser: Browser, path: str, language: str) -> None:
    text = browser.text(path + ("&" if "?" in path else "?") + f"lang={language}")
    assert f'lang="{language}"' in text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_falls_with_the_registers(
    browser: Browser, platform: FakePlatform, path: str
) -> None:
    for broken in (platform.down, platform.broken):
        broken.add("registers")
        assert browser.get(path).status_code == 200
        broken.clear()


# -- the list


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"island", "fishing-vessel", "vessel-owner"}),
        ("q=BOATS", {"fishing-vessel"}),
        ("q=ރަށްތައް", {"island"}),
        ("kind=personal", {"vessel-owner"}),
        ("kind=real", {"island"}),
        ("kind=synthetic", {"fishing-vessel", "vessel-owner"}),
        ("kind=nonsense", {"island", "fishing-vessel", "vessel-owner"}),
        ("keeper=Fisheries Department", {"vessel-owner"}),
        ("q=island boats", set()),
    ],
)
def test_the_list_of_registers_can_be_searched(
    browser: Browser, query: str, shown: set[str]
) -> None:
    text = browser.text(f"/portal/registers?{query}")
    links = {name for name in ("island", "fishing-vessel", "vessel-owner")
             if f'href="/portal/registers/{name}"' in text}  # fmt: skip
    assert links == shown
    assert f"{len(shown)} of 3 registers" in text


# -- one register


def test_a_search_is_passed_on_and_can_be_taken_back(
    browser: Browser, platform: FakePlatform
) -> None:
    text = unescape(browser.text(f"{ISLAND}?q=thulus&f=atoll:atoll:K&f=name:x&f=nonsense"))
    wanted = [("q", "thulus"), ("filter", "atoll:atoll:K"), ("filter", "name:x")]
    assert asked(platform, "/island/search")[:3] == wanted
    assert asked(platform, "/island/facets")[:3] == wanted
    assert "1 records found" in text
    assert 'href="/portal/registers/island?f=atoll%3Aatoll%3AK&f=name%3Ax&f=nonsense"' in text
    assert 'href="/portal/registers/island?q=thulus&f=name%3Ax&f=nonsense"' in text


def test_facets_lead_to_fewer_records(browser: Browser) -> None:
    text = unescape(browser.text(f"{ISLAND}?q=a&lang=dv"))
    assert 'href="/portal/registers/island?q=a&f=atoll%3Aatoll%3AN&lang=dv"' in text
    assert ">ކ</bdi>" in text, "what a reference is called, in the page's language"


def test_a_page_of_a_search_keeps_the_search(browser: Browser, platform: FakePlatform) -> None:
    browser.text(f"{ISLAND}?q=a&page-start=K-B&page-limit=100&page-sort=key")
    assert asked(platform, "/island/search") == [
        ("q", "a"), ("limit", "100"), ("start", "K-B"), ("sort", "key"),
    ]  # fmt: skip


def test_a_register_is_shown_as_it_was(browser: Browser, platform: FakePlatform) -> None:
    text = browser.text(f"{ISLAND}?at=2026-03-02")
    assert ("at", "2026-03-02") in asked(platform, "/island/records")
    assert "how it was at the end of 2026-03-02" in text
    browser.text(f"{ISLAND}?size=57")
    assert ("log-size", "57") in asked(platform, "/island/records")
    for nonsense in ("at=yesterday", "size=-1", "size=1e9", "at=2026-03-02T00:00:00Z"):
        assert "how it was" not in browser.text(f"{ISLAND}?{nonsense}")


def test_a_register_without_search_is_still_a_table(
    browser: Browser, platform: FakePlatform
) -> None:
    del platform.answers["GET island/facets"]
    text = browser.text(ISLAND)
    assert "Thulusdhoo" in text
    assert "Narrow down" not in text


def test_a_register_says_how_it_is_kept(browser: Browser) -> None:
    assert "Responsible" in browser.text(ISLAND)
    assert "Vessels Act (made up), section 12" in browser.text("/portal/registers/vessel-owner")


def test_a_register_says_how_good_its_data_are(browser: Browser) -> None:
    text = browser.text(ISLAND)
    assert "98.5 %" in text
    assert "100.0 %" in text
    assert "Records that no other repeats" not in text, "what was not measured is not shown"
    assert "99.7 %" in browser.text("/portal/registers")
    assert "How good the data are" not in browser.text("/portal/registers/vessel-owner")


def test_a_register_is_downloaded_in_every_form_that_it_has(browser: Browser) -> None:
    text = browser.text(ISLAND)
    for path in ("download/csv", "download/jsonl", "download/geojson", "download-rsf"):
        assert f'href="/registers/island/{path}"' in text
    assert "geojson" not in browser.text("/portal/registers/fishing-vessel")


def test_what_a_visitor_types_stays_text(browser: Browser) -> None:
    text = browser.text(f"{ISLAND}?q=<script>alert(1)</script>&f=a:<b>")
    assert "<script>alert" not in text
    assert "<b>" not in text


# -- one record


def test_a_life_says_what_each_entry_changed_and_why(
    browser: Browser, platform: FakePlatform
) -> None:
    path = "GET island/records/K-Thulusdhoo/history"
    platform.answers[path] = registers.life([7, 30], ["Tulusdu", "Thulusdhoo"])
    text = browser.text(RECORD)
    assert "<del><bdi>Tulusdu</bdi></del>" in text
    assert "<ins><bdi>Thulusdhoo</bdi></ins>" in text
    assert "The spelling on the &lt;i&gt;sign&lt;/i&gt;" in text
    assert "entered for the first time" in text
    assert text.index('id="check-30"') < text.index('id="check-7"')


def test_a_long_life_is_read_to_its_end(browser: Browser, platform: FakePlatform) -> None:
    path = "GET island/records/K-Thulusdhoo/history"
    numbers = list(range(1, 41))
    platform.answers[path] = registers.life(numbers, [f"Name {n}" for n in numbers])
    text = browser.text(RECORD)
    assert "The newest 20 of 40 versions are shown." in text
    assert "Entry 40" in text
    assert "Entry 20<" not in text


def test_two_versions_are_compared(browser: Browser, platform: FakePlatform) -> None:
    text = browser.text(f"{RECORD}?from=30&to=7")
    assert asked(platform, "/K-Thulusdhoo/diff") == [("from", "7"), ("to", "30")]
    assert "From entry 7 to entry 30" in text
    for nonsense in ("from=x&to=7", "from=7", "from=" + "9" * 40 + "&to=1"):
        assert "From entry" not in browser.text(f"{RECORD}?{nonsense}")


def test_a_record_shows_what_leads_to_it(browser: Browser) -> None:
    text = browser.text(RECORD)
    assert 'href="/portal/registers/fishing-vessel/records/DEMO-0001"' in text
    assert "Fehi &lt;Raalhu&gt;" in text
    assert "f=home-island%3Aisland%3AK-Thulusdhoo" in text, "all of them, by the other register"


def test_a_proof_is_told_in_words_and_as_a_picture(
    browser: Browser, platform: FakePlatform
) -> None:
    text = browser.text(RECORD)
    assert "This entry is number 7 of 190." in text
    assert 'class="audit-path"' in text
    words = text.partition("The steps in words")[2].partition("</ol>")[0]
    assert words.count("<li>") == 2 + 8
    assert "entry 8; together they stand for entries 7 to 8" in words
    platform.answers["GET island/records/K-Thulusdhoo/history"] = registers.life([999], ["x"])
    assert "audit-path" not in browser.text(RECORD), "an entry that the register does not have yet"


def test_a_record_can_be_certified(browser: Browser) -> None:
    text = browser.text(RECORD)
    assert 'href="/registers/island/records/K-Thulusdhoo/extract"' in text
    assert 'href="/registers/island/records/K-Thulusdhoo/extract.json"' in text


# -- what changed in a register


def test_a_register_is_compared_with_itself(browser: Browser, platform: FakePlatform) -> None:
    text = browser.text(f"{ISLAND}/compare")
    assert asked(platform, "/island/diff")[:2] == [("from", "180"), ("to", "190")]
    assert "<del><bdi>Tulusdu</bdi></del>" in text
    assert "K-New</bdi></a> · new" in text
    browser.text(f"{ISLAND}/compare?from=99999&to=5")
    assert asked(platform, "/island/diff")[:2] == [("from", "5"), ("to", "190")]


# -- checking


def test_checking_names_the_entry_that_was_changed(
    browser: Browser, platform: FakePlatform
) -> None:
    token = browser.form_token(f"{ISLAND}/check")
    good = browser.post(f"{ISLAND}/check", data={"form_token": token}).text
    assert "All 190 entries are what was entered." in good
    platform.answers["GET island/verification"] = {
        "verified": 190, "size": 190, "done": True,
        "difference": {"entry-number": 57, "detail": "Its item is not what was hashed."},
    }  # fmt: skip
    bad = browser.post(f"{ISLAND}/check", data={"form_token": token}).text
    assert "Entry 57 is not what was entered. Do not trust it." in bad
    assert 'href="/portal/registers/island/records/K-Thulusdhoo"' in bad


def test_checking_ends(browser: Browser, platform: FakePlatform) -> None:
    platform.answers["GET island/verification"] = {
        "verified": 5120, "size": 10**7, "done": False, "difference": None,
    }  # fmt: skip
    token = browser.form_token(f"{ISLAND}/check")
    text = browser.post(f"{ISLAND}/check", data={"form_token": token}).text
    assert "The first 5120 of 10000000 entries" in text
    parts = [one for one in platform.requests if "/verification" in str(one.url)]
    assert len(parts) == 20


def test_checking_takes_a_form_of_this_page(browser: Browser, platform: FakePlatform) -> None:
    assert browser.post(f"{ISLAND}/check").status_code == 403
    assert not [one for one in platform.requests if "/verification" in str(one.url)]


@pytest.mark.parametrize("tool", ["map", "compare", "check"])
def test_a_register_that_is_not_there_has_no_pages(browser: Browser, tool: str) -> None:
    assert browser.get(f"/portal/registers/nothing/{tool}").status_code == 404


# -- the map


def test_the_map_lists_what_it_draws(browser: Browser, platform: FakePlatform) -> None:
    platform.records["K-Himmafushi"] = registers.HIMMAFUSHI
    text = browser.text(f"{ISLAND}/map")
    assert text.count('class="mark"') == 2
    for name in ("Thulusdhoo", "Himmafushi"):
        assert f"<bdi>{name}</bdi></a>" in text
    closely = browser.text(f"{ISLAND}/map?atoll=K&show=K-Himmafushi")
    assert closely.count('class="number"') == 2
    assert closely.count('class="mark chosen"') == 1
    assert "marked on the map" in closely
    assert 'class="number"' not in browser.text(f"{ISLAND}/map?atoll=<b>")


def test_records_are_where_their_island_is(browser: Browser) -> None:
    text = browser.text("/portal/registers/fishing-vessel/map")
    assert "Fehi Raalhu" in text
    assert "1 records have no place" in text


def test_a_register_without_places_has_no_map(browser: Browser) -> None:
    assert browser.get("/portal/registers/vessel-owner/map").status_code == 404
    assert "/vessel-owner/map" not in browser.text("/portal/registers/vessel-owner")


# -- registers about people


def test_a_personal_register_says_that_it_shows_fingerprints(browser: Browser) -> None:
    text = browser.text("/portal/registers/vessel-owner")
    assert "This register is about people." in text
    assert 'href="/portal/registers/vessel-owner/mine"' in text
    assert "download-rsf" not in text
    assert "fingerprints of the values" in browser.text(
        "/portal/registers/vessel-owner/records/5d1f"
    )


def test_a_person_sees_their_own_records(browser: Browser, platform: FakePlatform) -> None:
    path = "/portal/registers/vessel-owner/mine"
    assert "Sign in" in browser.text(path, 403)
    browser.sign_in()
    text = browser.text(path)
    assert 'href="/portal/registers/fishing-vessel/records/DEMO-0001"' in text
    assert "Aishath &lt;b&gt;D.&lt;/b&gt;" in text
    assert "It is the name on the card." in text
    sent = [one for one in platform.requests if "personal/records" in str(one.url)]
    assert {one.headers["Atoll-Purpose"] for one in sent} == {"own-data"}
    scopes = {platform.claims(one)["scope"] for one in sent}
    assert scopes == {"registers.personal"}


def test_a_person_asks_for_a_correction(browser: Browser, platform: FakePlatform) -> None:
    path = "/portal/registers/vessel-owner/mine"
    browser.sign_in()
    form = {"form_token": browser.form_token(path), "key": "5d1f", "because": "The deed says so."}
    done = browser.post(path, data=form | {"field": "owner", "wanted": "Aishath D."})
    assert done.status_code == 303
    assert "sent to the custodian" in browser.text(done.location)
    assert _last_body(platform) == {
        "field": "owner", "wanted": "Aishath D.", "because": "The deed says so.",
    }  # fmt: skip
    assert browser.post(path, data=form | {"erase": "1"}).status_code == 303
    assert _last_body(platform) == {"erase": True, "because": "The deed says so."}
    refused = browser.post(path, data=form | {"key": "other", "field": "owner", "wanted": "x"})
    assert refused.status_code == 422
    assert browser.post(path, data=form | {"form_token": "x"}).status_code == 403


@pytest.mark.parametrize("register", ["island", "nothing"])
def test_only_personal_registers_have_own_records(browser: Browser, register: str) -> None:
    browser.sign_in()
    assert browser.get(f"/portal/registers/{register}/mine").status_code == 404


def _last_body(platform: FakePlatform) -> object:
    sent = [one for one in platform.requests if "/corrections" in str(one.url)][-1]
    return json.loads(sent.body or b"")
