"""Keys and names follow the specification's grammar."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import keys


def test_printed_keys_are_told_apart(vectors: Any) -> None:
    assert [key for key in vectors["keys"]["valid"] if not keys.is_key(key)] == []
    assert [key for key in vectors["keys"]["invalid"] if keys.is_key(key)] == []


@pytest.mark.parametrize(
    "key", ["", "-a", "a\n", "a b", "a\x00", "ތ", "a:b", "a//b", "٣", "a" * 201, "\ud800", "é"]
)
def test_what_is_not_a_key_is_refused(key: str) -> None:
    assert not keys.is_key(key)


def test_the_longest_key_has_200_characters() -> None:
    assert keys.is_key("a" * 200)


@given(st.text())
def test_a_key_needs_no_escape_anywhere(text: str) -> None:
    if keys.is_key(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set('"\\ <>?#%;,')


@pytest.mark.parametrize("name", ["", "Island", "0x", "-a", "a_b", "a\n", "a.b", "a/b"])
def test_names_are_lower_case_words(name: str) -> None:
    assert keys.is_name("home-island")
    assert not keys.is_name(name)
