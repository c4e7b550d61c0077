"""Words of records and searches: Dhivehi stays whole, accents do not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import words
from services.registers.domain.items import Field

FIELDS = (
    Field("island", "string"),
    Field("name", "string"),
    Field("name-dv", "string"),
    Field("atoll", "curie", register="atoll"),
    Field("coordinates", "string", format="point"),
    Field("about", "text"),
    Field("tags", "string", cardinality="n"),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("K. Thulusdhoo", ["k", "thulusdhoo"]),
        ("ތުލުސްދޫ", ["ތުލުސްދޫ"]),
        ("މާލެ (ހުޅުމާލެ)", ["މާލެ", "ހުޅުމާލެ"]),
        ("Malé", ["male"]),
        ("Straße № 7", ["strasse", "no", "7"]),
        ("K-Thulusdhoo", ["k", "thulusdhoo"]),
        ("  ,.;  ", []),
    ],
)
def test_words_are_runs_of_letters_digits_and_marks(text: str, found: list[str]) -> None:
    assert words.words_of(text) == found


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for word in words.words_of(text):
        assert 0 < len(word) <= words.MAX_WORD
        assert not word.startswith("=")
        assert words.words_of(word) == [word] or words.words_of(word)


def test_a_record_is_found_by_its_words_and_its_values() -> None:
    item = {
        "island": "K-Male",
        "name": "Malé City",
        "name-dv": "މާލެ",
        "atoll": "atoll:K",
        "coordinates": "4.17,73.5",
        "about": "The capital",
        "tags": ["port", "city"],
    }
    assert words.terms_of(FIELDS, "island", item) == {
        "k", "male", "city", "މާލެ", "the", "capital", "port",
        "=name=Malé City", "=name-dv=މާލެ", "=atoll=atoll:K", "=tags=port", "=tags=city",
    }  # fmt: skip


def test_terms_fit_their_column() -> None:
    item = {"name": "x" * 5000, "about": " ".join(f"w{n}" for n in range(5000))}
    found = words.terms_of(FIELDS, "island", item)
    assert len(found) <= words.MAX_WORDS
    assert max(map(len, found)) <= words.MAX_TERM


def test_the_best_comes_first() -> None:
    def place(key: str, name: str) -> tuple[int, str]:
        return words.rank(["male"], key, {"en": name}, {"name": name})

    found = [("K-Kalhuhura", "Near Male"), ("GA-Maamendhoo", "Malefaru"), ("K-Male", "Malé")]
    ordered = sorted(found, key=lambda each: place(*each))
    assert [key for key, _ in ordered] == ["K-Male", "GA-Maamendhoo", "K-Kalhuhura"]


def test_a_record_is_called_by_its_name_in_both_languages() -> None:
    assert words.label_of("island", FIELDS, {"name": "Malé", "name-dv": "މާލެ"}) == {
        "en": "Malé", "dv": "މާލެ"
    }  # fmt: skip
    assert words.label_of("island", FIELDS, {"island": "K-Male"}) == {}
