"""An email's text: what becomes HTML, what is escaped, what sanitising takes out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import language
from services.notify.domain.sanitise import sanitised
from services.notify.rendering import email


def test_headings_lists_and_links_become_html() -> None:
    assert email.html(
        "# Title\nHello\r\nthere\n\n* a\n• b\n\n1. c\n2. d\n\nSee http://x.mv/y."
    ) == (
        '<h2 dir="auto">Title</h2>\n<p dir="auto">Hello<br>there</p>\n'
        '<ul><li dir="auto">a</li><li dir="auto">b</li></ul>\n'
        '<ol><li dir="auto">c</li><li dir="auto">d</li></ol>\n'
        '<p dir="auto">See <a href="http://x.mv/y">http://x.mv/y</a>.</p>'
    )


@given(st.text())
def test_no_text_can_bring_a_tag_of_its_own(text: str) -> None:
    shown = email.html(f"{text}<script>")
    assert not re.search(r"<(?!/?(p|h2|h3|ul|ol|li|br|a|hr|blockquote)\b)", shown)


@pytest.mark.parametrize(
    ("value", "harmless"),
    [
        ("User, [click here](https://evil.link)", r"User, \[click here\]\(\)"),
        ("Marie.Curie", r"Marie\. Curie"),
        ("www.evil.link/path stays", " stays"),
        (["a*b", 3], [r"a\*b", 3]),
        (7, 7),
        ("plain words", "plain words"),
    ],
)
def test_a_strangers_value_is_made_harmless(value: object, harmless: object) -> None:
    personalisation, changes = sanitised({"First name": value, "other": "*x*"}, ["first_name"])
    assert personalisation == {"First name": harmless, "other": "*x*"}
    changed = {"First name": {"unsanitised": value, "sanitised": harmless}}
    assert changes == (changed if value != harmless else {})


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])))
def test_a_sanitised_value_forms_nothing_when_shown(text: str) -> None:
    made, _ = sanitised({"x": text}, ["x"])
    shown = email.html(f"a{made['x']}")
    assert shown.startswith('<p dir="auto">')
    assert "<a " not in shown


@pytest.mark.parametrize("part", ["a", "a.", "a-", "http://", "://", " ", "\n", "(", "# ", "* "])
def test_a_long_value_costs_its_length_and_not_its_square(part: str) -> None:
    text = part * (100_000 // len(part)) + "!"
    made, _ = sanitised({"x": text}, ["x"])
    assert len(made["x"]) <= 2 * len(text)
    assert email.html(text)


def test_the_language_is_told_by_the_script() -> None:
    assert language.of("ތިޔަ ބޭފުޅާގެ ލައިސަންސް A") == "dv"
    assert language.of("Your licence ދިވެހި") == "en"
    assert language.of("") == "en"
    assert language.of("Kanmathiގެ ލައިސަންސް DEMO-LICENCE-BD275397 ދޫކޮށްފި.") == "dv"
    assert language.of("Your boat މަސްދޯނި އިރު has a licence") == "en"
    assert language.direction("dv") == "rtl"
