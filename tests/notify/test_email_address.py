"""Email addresses (contract 1.10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import email_address
from services.notify.domain.email_address import InvalidEmail


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Aishath@People.Example\u200b", "aishath@people.example"),
        ("o'neill+x@a-b.gov.mv", "o'neill+x@a-b.gov.mv"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        (f"{'a' * 306}@b.example.mv", f"{'a' * 306}@b.example.mv"),
    ],
)
def test_an_address_is_normalised(text: str, address: str) -> None:
    assert email_address.parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x@",
        "@y.mv",
        "x@y",
        "a b@y.mv",
        "a..b@y.mv",
        "x@y..mv",
        "x@-y.mv",
        "x@y.1",
        "x@y.m",
        "ދިވެހި@y.mv",
        f"x@{'a' * 64}.mv",
        f"{'a' * 320}@b.mv",
        f"x@{'a.' * 130}mv",
        "x@y.mv\nBcc: z@y.mv",
        "x@[127.0.0.1]",
        "x@y\x00.mv",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidEmail, match="Not a valid email address"):
        email_address.parse(text)


@given(st.text() | st.emails())
def test_any_text_is_an_address_or_not(text: str) -> None:
    try:
        parsed = email_address.parse(text)
    except InvalidEmail:
        return
    assert parsed.isascii()
    assert email_address.parse(parsed) == parsed
