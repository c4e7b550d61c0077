"""Addresses on letters: one set of rules, the home country as data (contract 1.5, 1.10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import address
from services.notify.domain.address import Address, InvalidAddress
from services.notify.domain.countries import COUNTRIES

MALDIVES, BRITAIN = COUNTRIES["MV"], COUNTRIES["GB"]


def lines(*texts: str, **more: str) -> dict[str, str]:
    return {f"address_line_{n}": text for n, text in enumerate(texts, 1)} | more


@pytest.mark.parametrize(
    "texts",
    [
        ("Aishath", "Finivaage", "K. Thulusdhoo"),
        ("Aishath", "Finivaage", "Thulusdhoo, Kaafu Atoll"),
        ("Aishath", "Finivaage", "Thulusdhoo", "Kaafu", "08240"),
        ("Aishath", "Finivaage", "Malé"),
        ("Aishath", "Finivaage", "Hulhumalé", "23000"),
        ("Aishath", "Finivaage", "Hithadhoo", "Addu City", "Maldives"),
        ("Aishath", "Finivaage", "GDh. Thinadhoo"),
    ],
)
def test_an_address_in_the_maldives_names_island_and_atoll(texts: tuple[str, ...]) -> None:
    assert address.parse(lines(*texts), MALDIVES, abroad=False).country is None


@pytest.mark.parametrize(
    "texts",
    [("Aishath", "Finivaage", "Thulusdhoo"), ("Aishath", "b", "SW1 1AA"), ("a", "b", "India")],
)
def test_what_names_no_atoll_is_told_in_the_countrys_name(texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidAddress, match="Must name a real Maldivian island and atoll"):
        address.parse(lines(*texts), MALDIVES, abroad=False)


def test_a_letter_abroad_says_how_far_it_goes() -> None:
    near = address.parse(lines("a", "b", "France"), BRITAIN, abroad=True)
    far = address.parse(lines("a", "b", "Maldives"), BRITAIN, abroad=True)
    assert (near.postage_abroad, far.postage_abroad) == ("europe", "rest-of-world")
    with pytest.raises(InvalidAddress, match="or be another country"):
        address.parse(lines("a", "b", "Atlantis"), MALDIVES, abroad=True)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (lines("A", "B", postcode="sw11aa"), ("A", "B", "SW1 1AA")),
        (lines("A", "B", "SW1A 1AA", "England"), ("A", "B", "SW1A 1AA")),
        (lines(" A ", "", "B  C,", "EC1A 1BB"), ("A", "B C", "EC1A 1BB")),
        (lines("A", "B", "BFPO 105"), ("A", "B", "BFPO 105")),
        (lines("A\nB", "SW1 1AA"), ("A", "B", "SW1 1AA")),
    ],
)
def test_an_address_is_printed_tidily(written: dict[str, str], printed: tuple[str, ...]) -> None:
    assert address.parse(written, BRITAIN, abroad=False).lines == printed


def test_the_seventh_line_goes_before_the_postcode() -> None:
    values = lines("A", "B", address_line_7="SW1 1AA", postcode="x")
    assert address.written(values)[6] == "SW1 1AA"
    assert address.written({"Address Line 1": "A"})[0] is None, "keys keep their underscores here"


def test_two_spellings_of_an_address_are_one() -> None:
    one, other = (
        Address(("Aishath Demo", "K. Thulusdhoo")),
        Address(("AISHATH DEMO", "K Thulusdhoo")),
    )
    assert one.key == other.key


@given(st.dictionaries(st.sampled_from([*address.LINES, "postcode"]), st.text() | st.integers()))
def test_any_personalisation_is_an_address_or_told_why_not(values: dict[str, object]) -> None:
    for country in COUNTRIES.values():
        for abroad in (False, True):
            try:
                found = address.parse(values, country, abroad=abroad)
            except InvalidAddress:
                continue
            assert 3 <= len(found.lines) <= 7
