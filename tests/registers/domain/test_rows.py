"""CSV files for a register: columns to fields, and every fault with its line."""

import io
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import rows
from services.registers.domain.items import Field
from services.registers.domain.rows import Row, Unreadable

FIELDS = [Field("boat", "string"), Field("length", "integer"), Field("ports", "name", "n")]


def read(data: str | bytes, mapped: Mapping[str, str] | None = None) -> list[Row]:
    data = data.encode() if isinstance(data, str) else data
    return list(rows.read(io.BytesIO(data), "boat", FIELDS, mapped or {}))


def contents(data: str | bytes, mapped: Mapping[str, str] | None = None) -> list[str]:
    return [row.item.content if row.item else str(row.faults) for row in read(data, mapped)]


def test_cells_become_values_and_empty_ones_are_left_out() -> None:
    assert contents("boat,length,ports\r\nB-1,12,a;b\r\nB-2,,\r\n") == [
        '{"boat":"B-1","length":"12","ports":["a","b"]}',
        '{"boat":"B-2"}',
    ]


def test_a_byte_order_mark_other_line_ends_and_quotes_are_taken() -> None:
    assert contents('\ufefflength,boat\n12,"B-1"\n\n13,B-2') == [
        '{"boat":"B-1","length":"12"}',
        '{"boat":"B-2","length":"13"}',
    ]


def test_columns_are_mapped_and_left_out() -> None:
    data = "Number,Owner,length\nB-1,somebody,12\n"
    assert contents(data, {"Number": "boat", "Owner": ""}) == ['{"boat":"B-1","length":"12"}']


def test_every_fault_of_every_row_is_named_with_its_line() -> None:
    found = read('boat,length,ports\nB-1,twelve,A;b\n"B\n2",1,\nB-3\n,1,\n')
    assert [(row.line, [field for field, _ in row.faults]) for row in found] == [
        (2, ["length", "ports/0"]),
        (4, ["boat"]),
        (5, [""]),
        (6, ["boat"]),
    ]


@pytest.mark.parametrize(
    ("data", "mapped", "reason"),
    [
        ("", {}, "empty"),
        ("boat,colour\n", {}, "'colour' is no field"),
        ("length\n1\n", {}, "No column leads to the field boat"),
        ("boat,boat\n", {}, "same field"),
        ("boat,b\n", {"b": "boat"}, "same field"),
        ("boat\n", {"b": "boat"}, "no column 'b'"),
        ("boat\n", {"boat": "none"}, "is no field"),
        (b"boat\nB-1\n\xff\n", {}, "UTF-8"),
        ('boat\n"B-1\n', {}, "not CSV"),
        ('boat\n"B"-1\n', {}, "not CSV"),
        ("boat\nB\x001\n" + "x" * (rows.MAX_LINE + 1), {}, "longer"),
        (",".join(f"c{n}" for n in range(2000)), {}, "2000 columns"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    data: str | bytes, mapped: dict[str, str], reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(data, mapped)


PIECES = st.sampled_from(
    [b"boat", b"length", b"ports", b",", b"\n", b"\r", b'"', b";", b"B-1", b"\xff", b"\x00", b"12"]
)


@given(st.lists(PIECES | st.binary(max_size=4), max_size=20).map(b"".join))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    for start in (b"", b"boat,length,ports\n"):
        try:
            found = read(start + data)
        except Unreadable:
            continue
        assert all((row.item is None) == bool(row.faults) for row in found)
