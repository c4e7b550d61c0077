"""Canonical JSON, item hashes and leaves of version 1: the printed ones, and what they promise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import merkle
from services.registers.domain import canonical, leaves, moments

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ITEMS = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=3), max_size=5)


def test_printed_items_are_written_as_printed(vectors: Any) -> None:
    assert len(vectors["v1_canonical_json"]) >= 7
    for vector in vectors["v1_canonical_json"]:
        value = json.loads(vector["in_json_text"])
        assert canonical.item_json(value) == vector["out_utf8"], vector["note"]


def test_printed_items_have_the_printed_hash(vectors: Any) -> None:
    assert len(vectors["v1_item_hash"]) >= 4
    for vector in vectors["v1_item_hash"]:
        digest = canonical.item_hash(canonical.item_json(vector["item"]))
        assert canonical.write_hash(digest) == vector["hash"]
        assert canonical.read_hash(vector["hash"]) == digest


def test_the_printed_leaf_is_made_from_its_entry(vectors: Any) -> None:
    for vector in vectors["v1_merkle_leaf"]:
        entry = json.loads(vector["leaf_input_utf8"])
        at = moments.read(entry["entry-timestamp"])
        item_hash = canonical.read_hash(entry["item-hash"][0])
        assert at is not None
        assert item_hash is not None
        leaf = leaves.v1(int(entry["entry-number"]), entry["key"], at, item_hash)
        assert leaf.decode() == vector["leaf_input_utf8"]
        assert merkle.leaf_hash(leaf).hex() == vector["leaf_hash"]


@given(ITEMS)
def test_canonical_json_says_the_same_and_is_a_fixed_point(item: dict[str, Any]) -> None:
    text = canonical.item_json(item)
    assert json.loads(text) == item
    assert canonical.item_json(json.loads(text)) == text
    assert list(json.loads(text)) == sorted(item)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("\x1f", '"\\u001F"'),
        ("\\u001f", '"\\\\u001f"'),
        ("\\\x1f", '"\\\\\\u001F"'),
        ("\x7f/é", '"\x7f/é"'),
        ("\b\f\n\r\t", '"\\b\\f\\n\\r\\t"'),
    ],
)
def test_only_control_characters_become_upper_case_escapes(value: str, written: str) -> None:
    assert canonical.item_json(value) == written


@pytest.mark.parametrize("text", ["abc", "sha-256:", "sha-256:" + "A" * 64, "1220" + "a" * 64])
def test_other_texts_are_no_hash_of_version_1(text: str) -> None:
    assert canonical.read_hash(text) is None


@given(st.integers(min_value=-62135596800, max_value=253402300799))
def test_timestamps_of_every_year_read_as_they_are_written(seconds: int) -> None:
    text = moments.write(seconds)
    assert len(text) == 20
    assert moments.read(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "2010-11-12", "2010-11-12T13:14:15", "2010-11-12T13:14:15.0Z", "2010-02-30T00:00:00Z",
     "0000-01-01T00:00:00Z", "2010-11-12T24:00:00Z", "2010-11-12T13:14:60Z", "٢٠١٠-11-12T13:14:15Z",
     "2010-11-12T13:14:15+00:00", " 2010-11-12T13:14:15Z", "2010-11-12T13:14:15Z\n"],
)  # fmt: skip
def test_only_full_timestamps_in_utc_are_read(text: str) -> None:
    assert moments.read(text) is None
