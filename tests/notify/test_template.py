"""Placeholders, conditionals and lists (contract 1.8)."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import template
from services.notify.domain.template import bullets, fill, in_words, insensitive

NAMES = st.text(string.ascii_letters + " _-", min_size=1).filter(lambda name: template.key(name))
PLAIN = st.text(st.characters(exclude_characters="()", exclude_categories=["Cs"]))


def filled(text: str, **values: object) -> str:
    return fill(text, insensitive(values), in_words)


@given(name=NAMES, before=PLAIN, after=PLAIN, value=PLAIN)
def test_a_value_stands_where_its_name_stood(
    name: str, before: str, after: str, value: str
) -> None:
    spelled = name.swapcase().replace("_", " ")
    assert fill(f"{before}(({name})){after}", insensitive({spelled: value}), in_words) == (
        before + value + after
    )


@given(text=st.text(), values=st.dictionaries(st.text(), st.text() | st.booleans() | st.none()))
def test_any_text_and_values_can_be_filled(text: str, values: dict[str, object]) -> None:
    fill(text, insensitive(values), bullets)


@given(text=PLAIN)
def test_a_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert template.placeholders(text) == []
    assert fill(text, {"name": "x"}, in_words) == text


def test_names_come_once_in_order_in_their_first_spelling() -> None:
    assert template.placeholders("((First Name))", "((b??c)) ((first_name)) ((B))", None) == [
        "First Name",
        "b",
    ]


def test_brackets_do_not_nest() -> None:
    assert filled("(((x)))", x="value") == "(value)"


@pytest.mark.parametrize("value", ["yes", "Y", True, "t", 1, "1", "include", "Show"])
def test_a_conditional_is_shown(value: object) -> None:
    assert filled("a((x?? line\nand ??more))b", x=value) == "a line\nand ??moreb"


@pytest.mark.parametrize("value", ["no", 2, "2", False, ["yes"], "", "yes please"])
def test_a_conditional_is_hidden(value: object) -> None:
    assert filled("a((x?? shown))b", x=value) == "ab"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "True"), (123, "123"), ({"k": "v"}, "{'k': 'v'}"), (1.5, "1.5"), ("", "")],
)
def test_values_are_written_as_text(value: object, shown: str) -> None:
    assert filled("[((x))]", x=value) == f"[{shown}]"


def test_lists_become_words_in_texts_and_bullets_in_emails() -> None:
    items = ["a", None, " ", "b", 3]
    assert filled("((x))", x=items) == "a, b and 3"
    assert fill("((x))", insensitive({"x": items}), bullets) == "\n\n* a\n* b\n* 3"
    assert filled("[((x))]", x=[]) == "[]"
    assert fill("[((x))]", insensitive({"x": []}), bullets) == "[]"


def test_null_is_missing_and_an_empty_text_is_not() -> None:
    values = insensitive({"a": None, "b": ""})
    assert template.missing(["A", "B", "c"], values) == ["A", "c"]


def test_a_subject_is_one_typographic_line() -> None:
    assert template.subject('It\'s  "((x))"\n- now', {"x": "ready"}) == "It’s “ready” – now"
