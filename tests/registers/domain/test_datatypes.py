"""Values of every datatype: the printed vectors, the edges, and no text that breaks a check."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import datatypes
from services.registers.domain.datatypes import DATATYPES, FORMATS, fault_of


def test_printed_values_are_told_apart(vectors: Any) -> None:
    for name, values in vectors["datatypes"].items():
        if name == "source":
            continue
        datatype = name.removesuffix("_v1")
        for value in values.get("valid", []):
            assert fault_of(value, datatype) is None, (datatype, value)
        for value in values.get("invalid", []):
            assert fault_of(value, datatype) is not None, (datatype, value)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("string", "two\nlines"),
        ("string", "\ufeffmark"),
        ("string", "nul\x00"),
        ("string", "half \ud800"),
        ("string", "**REDACTED**" + "a" * 64),
        ("text", "\t"),
        ("integer", "1\n"),
        ("integer", "٣"),
        ("integer", "1e3"),
        ("datetime", "0000"),
        ("datetime", "2026-00"),
        ("datetime", "2026-01-00"),
        ("datetime", "2026-02-29"),
        ("datetime", "2026-01-01T24Z"),
        ("datetime", "2026-01-01T10:60Z"),
        ("datetime", "2026-01-01T10:11:60Z"),
        ("timestamp", "2026-01-01T10:11Z"),
        ("period", "P1Y/P1Y"),
        ("period", "2026/2027/2028"),
        ("period", "P0Y"),
        ("period", "P1.5Y"),
        ("period", "P1DT"),
        ("curie", "Island:K"),
        ("curie", "island:K Thulusdhoo"),
        ("curie", "island:%zz"),
        ("url", "ftp://example.org"),
        ("url", "http://[::1"),
        ("url", "https://exa mple.org"),
        ("url", "javascript:alert(1)"),
        ("hash", "1220" + "A" * 64),
        ("boolean", "TRUE"),
    ],
)
def test_edges_are_refused(datatype: str, value: str) -> None:
    assert fault_of(value, datatype) is not None


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("string", "ތުލުސްދޫ"),
        ("string", "🇲🇻"),
        ("text", "two\nlines"),
        ("integer", "9" * 40),
        ("datetime", "2024-02-29"),
        ("period", "2026-01-01/P1M"),
        ("hash", "1220" + "a" * 64),
        ("url", "http://localhost:8000/a?b#c"),
    ],
)
def test_ordinary_values_are_accepted(datatype: str, value: str) -> None:
    assert fault_of(value, datatype) is None


@pytest.mark.parametrize("value", ["8.5", "0", "-0.25", "12"])
def test_decimals_are_numbers_without_exponent(value: str) -> None:
    assert fault_of(value, "string", "decimal") is None


@pytest.mark.parametrize("value", ["8,5", ".5", "5.", "1e3", "NaN", "Infinity", "08", "1" * 400])
def test_other_numbers_are_no_decimals(value: str) -> None:
    assert fault_of(value, "string", "decimal") is not None


@pytest.mark.parametrize("value", ["4.174223,73.509493", "-0.6,73", "90,180", "-90,-180"])
def test_points_are_latitude_then_longitude(value: str) -> None:
    assert fault_of(value, "string", "point") is None


@pytest.mark.parametrize(
    "value", ["73.5", "91,0", "0,181", "4;73", "4,73,0", "4, 73", "[4.1,73.5]"]
)
def test_other_places_are_no_points(value: str) -> None:
    assert fault_of(value, "string", "point") is not None


@given(text=st.text(st.characters()), name=st.sampled_from(sorted(DATATYPES)))
def test_any_text_gets_an_answer(text: str, name: str) -> None:
    fault = fault_of(text, name)
    assert fault is None or fault.startswith(("a ", "true "))


@given(text=st.text(st.characters()), name=st.sampled_from(sorted(FORMATS)))
def test_any_text_gets_an_answer_from_a_format(text: str, name: str) -> None:
    fault_of(text, "string", name)


@given(st.integers())
def test_every_integer_is_an_integer(number: int) -> None:
    assert datatypes.is_integer(str(number))


@given(st.dates())
def test_every_date_is_a_datetime_at_each_precision(day: date) -> None:
    text = day.isoformat()
    assert all(datatypes.is_datetime(part) for part in (text, text[:7], text[:4]))
    assert datatypes.is_timestamp(f"{text}T23:59:59Z")
