"""Items: every fault with its pointer, one canonical form for one meaning."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain.canonical import item_json as canonical_json
from services.registers.domain.items import Faulty, Field, Item, read_item

FIELDS = (
    Field("boat", "string"),
    Field("name", "string"),
    Field("length-m", "string", format="decimal"),
    Field("home", "curie", register="island"),
    Field("see", "curie"),
    Field("ports", "curie", cardinality="n", register="island"),
    Field("colours", "string", cardinality="n"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(**given: Any) -> Item:
    return read_item("boat", FIELDS, {name.replace("_", "-"): v for name, v in given.items()})


def pointers(**given: Any) -> list[str]:
    with pytest.raises(Faulty) as faulty:
        read(**given)
    assert all(fault["detail"].endswith(".") for fault in faulty.value.faults)
    return [fault["pointer"] for fault in faulty.value.faults]


def test_a_good_item_gets_canonical_form() -> None:
    item = read(name="Fehi", boat="B-1", colours=["red", "blue"], length_m="9.4")
    assert item.key == "B-1"
    assert item.content == (
        '{"boat":"B-1","colours":["red","blue"],"length-m":"9.4","name":"Fehi"}'
    )


def test_nothing_in_any_form_is_left_out() -> None:
    empty = read(boat="B-1", name="", home=None, colours=[], ports=[None, ""])
    assert empty == read(boat="B-1")


def test_texts_become_normal_form_c() -> None:
    composed = read(boat="B-1", name="Malé")
    assert read(boat="B-1", name=unicodedata.normalize("NFD", "Malé")) == composed


def test_references_are_named_with_their_places() -> None:
    item = read(boat="B-1", home="island:K-Male", ports=["island:A%2FB"], see="other:thing")
    assert item.references == (
        ("/item/home", "island", "K-Male"),
        ("/item/ports/0", "island", "A/B"),
    )


@pytest.mark.parametrize("key", [None, "", []])
def test_the_key_is_needed(key: Any) -> None:
    assert pointers(boat=key, name="Fehi") == ["/item/boat"]


@pytest.mark.parametrize("key", ["a b", "-a", "a..b", "ތ", "x" * 201, 7, ["a"], {"a": "b"}, True])
def test_a_bad_key_is_one_fault(key: Any) -> None:
    assert pointers(boat=key) == ["/item/boat"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"owner": "Aishath"}, "/item/owner"),
        ({"a/b~c": "x"}, "/item/a~1b~0c"),
        ({"name": ["Fehi"]}, "/item/name"),
        ({"name": 7}, "/item/name"),
        ({"name": False}, "/item/name"),
        ({"name": {"en": "Fehi"}}, "/item/name"),
        ({"length-m": "8,5"}, "/item/length-m"),
        ({"length-m": 8.5}, "/item/length-m"),
        ({"home": "K-Male"}, "/item/home"),
        ({"home": "atoll:K"}, "/item/home"),
        ({"home": "island:"}, "/item/home"),
        ({"home": "island:%00"}, "/item/home"),
        ({"colours": "red"}, "/item/colours"),
        ({"colours": ["red", 7]}, "/item/colours/1"),
        ({"colours": ["red", ["blue"]]}, "/item/colours/1"),
        ({"colours": ["red;blue"]}, "/item/colours/0"),
        ({"colours": ["red", "red"]}, "/item/colours"),
        ({"ports": ["island:K-Male", "atoll:K"]}, "/item/ports/1"),
    ],
)
def test_each_fault_is_pointed_at(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(Faulty) as faulty:
        read_item("boat", FIELDS, {"boat": "B-1", **fields})
    assert [fault["pointer"] for fault in faulty.value.faults] == [place]


def test_every_fault_is_told_at_once() -> None:
    assert pointers(name=1, home="x", owner="y") == [
        "/item/name",
        "/item/home",
        "/item/owner",
        "/item/boat",
    ]


@given(st.dictionaries(st.sampled_from([field.id for field in FIELDS]) | st.text(), JSON))
def test_any_json_is_either_an_item_or_pointed_at(given: dict[str, Any]) -> None:
    faults: Sequence[Mapping[str, str]] = ()
    try:
        item = read_item("boat", FIELDS, given)
    except Faulty as faulty:
        faults = faulty.faults or [{"pointer": "a refusal without a fault"}]
    if faults:
        assert all(fault["pointer"].startswith("/item/") for fault in faults)
        return
    again = read_item("boat", FIELDS, json.loads(item.content))
    assert again == item
    assert item.content == canonical_json(json.loads(item.content))
    item.content.encode()
