"""JSON and CSV forms are those of the specification, byte by byte."""

import csv
import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import forms
from services.registers.domain.canonical import item_json as canonical_json

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


def test_several_values_share_a_cell_as_printed(vectors: Any) -> None:
    vector = vectors["csv_cardinality_n"]
    content = canonical_json(vector["json"])
    printed = vector["csv"].replace("id,", "_id,id,", 1).replace("\r\n1,", "\r\n1,1,")
    assert forms.items_csv(["id", "name", "flavours"], [("1", content)]) == printed


def test_an_entry_is_written_as_the_specification_does() -> None:
    written = forms.entry_json(6, 1459862603, "GB", b"\xab" * 32)
    assert written == (
        '{"entry-number":6,"entry-timestamp":"2016-04-05T13:23:23Z","key":"GB",'
        f'"blob-hash":"1220{"ab" * 32}"}}'
    )
    assert forms.entries_csv([(6, 1459862603, "GB", b"\xab" * 32)]) == (
        "entry-number,entry-timestamp,key,blob-hash\r\n"
        f"6,2016-04-05T13:23:23Z,GB,1220{'ab' * 32}\r\n"
    )


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXTS, min_size=1))
def test_the_id_stands_in_front_of_untouched_content(item: dict[str, str]) -> None:
    assert json.loads(forms.with_id("K", canonical_json(item))) == {"_id": "K", **item}


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXTS, min_size=1))
def test_csv_reads_back_as_the_item(item: dict[str, str]) -> None:
    text = forms.items_csv(["a", "b", "c"], [("K", canonical_json(item))])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows == [{"_id": "K", "a": "", "b": "", "c": "", **item}]
