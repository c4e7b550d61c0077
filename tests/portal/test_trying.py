"""Trying an operation from its page: whose token goes, what comes back, what is refused."""

from typing import Any

from tests.portal.conftest import Browser

LIST = "/portal/apis/registers/listRecords"
APPEND = "/portal/apis/registers/append"


def tried(browser: Browser, path: str, status: int = 200, **values: str) -> str:
    form = {"form_token": browser.form_token(path), **values}
    answer = browser.post(path, data=form)
    assert answer.status_code == status, answer.text
    return answer.text


def sent(browser: Browser) -> Any:
    return browser.platform.requests[-1]


def test_the_form_begins_with_an_example_that_works(browser: Browser) -> None:
    text = browser.text(LIST)
    assert 'value="atoll"' in text
    answer = tried(browser, LIST, **{"path.register": "island"})
    assert "200 OK" in answer or "200" in answer
    assert "K-Thulusdhoo" in answer
    assert "Authorization" not in sent(browser).headers


def test_what_came_back_leads_to_the_exchange_log(browser: Browser) -> None:
    answer = tried(browser, LIST, **{"path.register": "island"})
    trace = sent(browser).headers["traceparent"].split("-")[1]
    assert f"/portal/happened?trace={trace}" in answer


def test_a_call_carries_the_sandboxs_token(browser: Browser) -> None:
    text = browser.text(APPEND)
    tried(browser, APPEND, **{"path.register": "island", "body": "{}"})
    assert browser.platform.claims(sent(browser))["client_id"] == "sandbox"
    assert sent(browser).body == b"{}"
    assert sent(browser).headers["Content-Type"] == "application/json"
    assert "Authorization: Bearer ey" in text


def test_notifys_own_api_is_tried_with_a_test_key(browser: Browser) -> None:
    tried(browser, "/portal/apis/notify/listTemplates")
    assert browser.platform.claims(sent(browser))["iss"] == "a" * 36


def test_an_operation_about_a_person_needs_her_and_hides_her_token(browser: Browser) -> None:
    path = "/portal/apis/notify/readInbox"
    assert "needs somebody who has signed in" in browser.text(path)
    browser.sign_in()
    text = tried(browser, path)
    assert browser.platform.claims(sent(browser))["sub"] == "person-aishath"
    token = sent(browser).headers["Authorization"].removeprefix("Bearer ")
    assert token not in text
    assert "Bearer $TOKEN" in text


def test_a_missing_part_of_the_address_is_named_and_nothing_is_sent(browser: Browser) -> None:
    form_token = browser.form_token(LIST)
    before = len(browser.platform.requests)
    answer = browser.post(LIST, data={"form_token": form_token, "path.register": " "})
    assert "Enter register" in answer.text
    paths = [one.path_url for one in browser.platform.requests[before:]]
    assert paths == ["/registers/openapi.json"]


def test_a_refusal_is_shown_as_it_came(browser: Browser) -> None:
    answer = tried(browser, LIST, **{"path.register": "nothing"})
    assert "404" in answer
    assert "Nothing is at this address." in answer


def test_an_address_that_leads_elsewhere_stays_in_its_place(browser: Browser) -> None:
    tried(browser, LIST, **{"path.register": "../../identity/token?x=#"})
    assert sent(browser).url.endswith("/registers/..%2F..%2Fidentity%2Ftoken%3Fx%3D%23/records")


def test_nothing_is_tried_without_our_own_form(browser: Browser) -> None:
    assert browser.post(LIST, data={"path.register": "island"}).status_code == 403


def test_a_component_that_is_away_is_said_in_a_sentence(browser: Browser) -> None:
    token = browser.form_token(LIST)
    browser.platform.down.add("registers")
    answer = browser.post(LIST, data={"form_token": token, "path.register": "island"})
    assert answer.status_code == 503  # even its contract cannot be read


def test_nothing_is_tried_where_there_is_no_demonstration(make_app: Any, platform: Any) -> None:
    browser = Browser(make_app(start_state=None), platform)
    assert "runs without the demonstration" in browser.text(LIST)
    token = browser.form_token("/portal/licence")
    assert browser.post(LIST, data={"form_token": token}).status_code in (403, 404)
