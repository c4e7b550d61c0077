"""What phones can show, and fragments (contract 1.9; Dhivehi stays Dhivehi)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import sms

GSM_TEXT = st.text(st.sampled_from(sorted(sms.GSM - {"\r", "\n"})))


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ŵ" * 70, 1),
        ("ŵ" * 71, 2),
        ("ŵ" * 135, 3),
        ("ދ" * 70, 1),
        ("ދ" * 134, 2),
        ("ދ" * 135, 3),
        ("", 1),
    ],
)
def test_fragments_are_counted_as_networks_charge(text: str, fragments: int) -> None:
    assert sms.fragments(text) == fragments


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("‘a’ “b” – c… \u00a0d\te", "'a' \"b\" - c... d e"),
        ("zero\u200bwidth", "zerowidth"),
        ("Łódź ő ç", "Lódz o c"),
        ("ŵ â ö", "ŵ â ö"),
        ("ދިވެހި ރާއްޖެ", "ދިވެހި ރާއްޖެ"),
        ("日本", "日本"),
        ("tick ✓ 😀", "tick ? ?"),
        ("a , b .", "a, b."),
        ("a\r\n\r\n\r\n\r\nb   c \n", "a\n\nb c"),
    ],
)
def test_a_text_is_sent_as_phones_can_show_it(text: str, sent: str) -> None:
    assert sms.readable(text) == sent


@given(st.text())
def test_making_readable_twice_changes_nothing_more(text: str) -> None:
    once = sms.readable(text)
    assert sms.readable(once) == once


@pytest.mark.parametrize("part", ["a", " ", "\t", "\n", " .", "ދ"])
def test_a_long_text_costs_its_length_and_not_its_square(part: str) -> None:
    sms.fragments(sms.readable(f"x{part * 300_000}x"))


@given(st.text())
def test_every_text_has_a_length_and_fragments(text: str) -> None:
    sent = sms.readable(text)
    assert sms.fragments(sent) >= 1
    assert sms.length(sent) >= len(sent)


@given(GSM_TEXT)
def test_a_text_of_the_phone_alphabet_is_never_unicode(text: str) -> None:
    assert not sms.is_unicode(sms.readable(text))


@given(st.text(st.characters(min_codepoint=0x780, max_codepoint=0x7B1), min_size=1))
def test_thaana_is_never_replaced(text: str) -> None:
    assert sms.readable(text) == text
    assert sms.is_unicode(text)
