"""What a person in a browser sees when the door says no."""

import pytest

from gateway import page, refusals
from servicekit.problems import NotFound, Unavailable

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOME = "http://localhost:8000"


@pytest.mark.parametrize(
    ("method", "accept", "wanted"),
    [
        ("GET", BROWSER, True),
        ("POST", BROWSER, False),
        ("GET", b"*/*", False),
        ("GET", b"application/json, text/html", False),
    ],
)
def test_only_a_browser_that_opens_an_address_gets_a_page(
    method: str, accept: bytes, wanted: bool
) -> None:
    assert page.is_wanted(method, [(b"host", b"x"), (b"accept", accept)]) is wanted
    assert not page.is_wanted(method, [])


def test_the_page_says_what_happened_and_leads_back() -> None:
    headers, body = refusals.render(
        NotFound("No <b>service</b> answers here."), HOME, "e1", "problem", as_page=True
    )
    assert dict(headers)[b"content-type"] == b"text/html; charset=utf-8"
    text = body.decode()
    assert "No &lt;b&gt;service&lt;/b&gt; answers here." in text
    assert 'href="/"' in text
    assert f"{HOME}/portal/problems/not-found" in text
    assert "e1" in text


def test_the_page_keeps_the_status_headers_and_a_strict_policy() -> None:
    headers, _ = refusals.render(Unavailable("portal is down."), HOME, "e", "problem", as_page=True)
    found = dict(headers)
    assert found[b"retry-after"] == b"2"
    assert b"unsafe" not in found[b"content-security-policy"]


def test_notifys_clients_get_their_own_shape_whatever_they_accept() -> None:
    headers, body = refusals.render(
        NotFound("Nothing."), HOME, "e", refusals.NOTIFY_V2, as_page=True
    )
    assert dict(headers)[b"content-type"] == b"application/json"
    assert b"status_code" in body
