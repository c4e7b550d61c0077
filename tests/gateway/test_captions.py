"""Exchanges in plain words: subject, verb, object, reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.captions import Facts, caption

CALLER = {"en": "Fisheries Department", "dv": "ފިޝަރީޒް"}
SAYS = {"en": "{caller} asked registers for {key}.", "dv": "{caller} {key} ބެލި."}


def test_a_public_read_says_that_no_purpose_was_needed() -> None:
    facts = Facts(
        "registers", "answered", 200, CALLER, SAYS, {"key": "K-Thulusdhoo"}, public_data=True
    )
    assert caption(facts)["en"] == (
        "Fisheries Department asked registers for K-Thulusdhoo. "
        "Public data, so no purpose was needed."
    )
    assert caption(facts)["dv"].startswith("ފިޝަރީޒް \u2068K-Thulusdhoo\u2069 ބެލި.")


def test_a_personal_read_says_why_and_that_the_person_agreed() -> None:
    says = {"en": "{caller} read contact details.", "dv": "{caller} ބެލި."}
    purpose = {"en": "Licence for a fishing vessel", "dv": "ލައިސަންސް"}
    facts = Facts("identity", "answered", 200, CALLER, says, basis="consent", purpose=purpose)
    assert caption(facts)["en"] == (
        "Fisheries Department read contact details. Why: Licence for a fishing vessel. "
        "The person has agreed to this."
    )


def test_a_refusal_carries_the_sentence_the_caller_got() -> None:
    facts = Facts("identity", "refused", 403, CALLER, SAYS, sentence="It was withdrawn.")
    assert caption(facts)["en"] == (
        "The gateway stopped a call of Fisheries Department to identity. It was withdrawn."
    )


def test_an_english_sentence_keeps_its_direction_inside_dhivehi() -> None:
    sentence = "The agreement was withdrawn on 3 March 2026. Nothing was read."
    told = caption(Facts("identity", "refused", 403, CALLER, sentence=sentence))
    assert told["dv"].endswith(f"\u2068{sentence}\u2069")
    assert told["dv"].count("\u2068") == told["dv"].count("\u2069") == 2, (
        "identity and the sentence"
    )
    assert "\u2068" not in told["en"]


def test_a_dhivehi_name_keeps_its_direction_inside_english() -> None:
    facts = Facts("registers", "answered", 200, CALLER, SAYS, {"key": "ތުލުސްދޫ"})
    assert "for \u2068ތުލުސްދޫ\u2069." in caption(facts)["en"]
    assert "\u2068" not in caption(facts)["dv"]


def test_a_strangers_direction_controls_are_dropped() -> None:
    facts = Facts("registers", "answered", 200, CALLER, SAYS, {"key": "a\u202eb\u2069c\u200f"})
    assert caption(facts)["en"] == "Fisheries Department asked registers for abc."
    assert "\u2068abc\u2069" in caption(facts)["dv"]


@pytest.mark.parametrize(
    ("outcome", "status", "words"),
    [
        ("failed", 503, "no usable answer came"),
        ("answered", 404, "not there"),
        ("answered", 422, "did not accept"),
        ("answered", 500, "went wrong"),
    ],
)
def test_other_ends_are_told_apart(outcome: str, status: int, words: str) -> None:
    assert words in caption(Facts("registers", outcome, status))["en"]
    assert caption(Facts("registers", outcome, status))["en"].startswith("Someone")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), st.text(max_size=9))
def test_no_value_breaks_a_caption(parameters: dict[str, str], sentence: str) -> None:
    says = {"en": "{caller} {x} {{", "dv": "{"}
    facts = Facts("s", "answered", 200, CALLER, says, parameters, sentence=sentence)
    assert "Fisheries" in caption(facts)["en"]


def test_a_service_that_declined_showed_nothing() -> None:
    told = caption(
        Facts("identity", "declined", 403, CALLER, basis="consent", sentence="Nothing was read.")
    )
    assert told["en"] == (
        "Fisheries Department asked identity, which showed nothing (403). Nothing was read."
    )
    assert "\u2068Nothing was read.\u2069" in told["dv"]


def test_a_caller_that_has_a_name_in_one_language_bears_it_in_both() -> None:
    told = caption(Facts("registers", "answered", 200, {"en": "Tide tables"}))
    assert told["en"].startswith("Tide tables")
    assert "\u2068Tide tables\u2069" in told["dv"]


def test_a_reading_that_a_law_allows_says_so() -> None:
    purpose = {"en": "An inspection", "dv": "ޗެކްކުރުން"}
    facts = Facts("identity", "answered", 200, CALLER, SAYS, basis="statute:x", purpose=purpose)
    assert caption(facts)["en"].endswith(
        "Why: An inspection. A law allows this; the person was not asked."
    )
