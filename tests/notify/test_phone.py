"""Maldivian numbers at home, all others abroad (contract 1.5, 1.10 with the home country MV)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify import phones
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.phone import InvalidPhone, Phone

MALDIVES, BRITAIN = COUNTRIES["MV"], COUNTRIES["GB"]


@pytest.mark.parametrize(
    "text",
    [
        "7000101",
        "700 0101",
        "700-0101",
        "+960 7000101",
        "(+960) 700-0101",
        "00960 7000101",
        "9607000101",
        "\u200b7000101\u00a0",
    ],
)
def test_all_ways_to_write_a_number_mean_the_same(text: str) -> None:
    assert phones.parse(text, MALDIVES) == Phone("9607000101", is_international=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Not enough digits"),
        ("+", "Not enough digits"),
        ("700010", "Not enough digits"),
        ("70001011", "Too many digits"),
        ("+960 70001011", "Too many digits"),
        ("+96070001", "Not enough digits"),
        ("7000101x", "Must not contain letters or symbols"),
        ("٧٠٠٠١٠١", "Must not contain letters or symbols"),
        ("\x007000101", "Must not contain letters or symbols"),
        ("+999 123456789", "Not a valid country prefix"),
        ("+44 77009", "Not enough digits"),
        ("1" * 16, "Too many digits"),
        ("700+0101", "Number is not valid – double check the phone number you entered"),
    ],
)
def test_a_wrong_number_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidPhone) as refused:
        phones.parse(text, MALDIVES)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["+44 7700 900123", "447700900123", "0044 7700900123"])
def test_a_number_abroad_is_international(text: str) -> None:
    assert phones.parse(text, MALDIVES) == Phone("447700900123", is_international=True)


@given(st.text())
def test_any_text_is_a_number_or_told_why_not(text: str) -> None:
    try:
        parsed = phones.parse(text, MALDIVES)
    except InvalidPhone:
        return
    assert parsed.digits.isascii()
    assert 8 <= len(parsed.digits) <= 15


@given(st.from_regex(r"[79][0-9]{6}", fullmatch=True))
def test_normalising_twice_changes_nothing(digits: str) -> None:
    once = phones.parse(digits, MALDIVES)
    assert phones.parse(f"+{once.digits}", MALDIVES) == once


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("07700 900003", Phone("447700900003", is_international=False)),
        ("+44 (0)7123 123123", Phone("447123123123", is_international=False)),
        ("447123123123", Phone("447123123123", is_international=False)),
        ("020 7946 0958", Phone("442079460958", is_international=False, is_landline=True)),
        ("+960 7000101", Phone("9607000101", is_international=True)),
        ("00960 7000101", Phone("9607000101", is_international=True)),
    ],
)
def test_britain_is_a_home_country_too(text: str, phone: Phone) -> None:
    assert phones.parse(text, BRITAIN) == phone


def test_a_landline_at_home_is_told_apart() -> None:
    assert phones.parse("3300101", MALDIVES).is_landline
    assert not phones.parse("7000101", MALDIVES).is_landline


@pytest.mark.parametrize(
    ("text", "sender"), [("07123123123", "447123123123"), ("DEMO", "DEMO"), ("40604", "40604")]
)
def test_a_sender_that_is_a_number_is_normalised(text: str, sender: str) -> None:
    assert phones.normalised_sender(text, BRITAIN) == sender
