"""System entries: what a register says of itself, and what it cannot be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import catalogue, declarations
from services.registers.domain.checking import Checker
from services.registers.domain.declarations import Undeclared
from services.registers.domain.items import Field

VALUES = st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=2) | st.none()
ITEMS = st.dictionaries(
    st.sampled_from(["name", "register", "fields", "datatype", "cardinality", "text", "custodian"]),
    VALUES,
)
KEYS = st.sampled_from(["name", "register:boat", "field:boat", "field:", "custodian", "register:"])
REGISTER: dict[str, Any] = {
    "name": "boat",
    "title": {"en": "Boats"},
    "description": {"en": "Every boat."},
    "custodian": "Boats Office",
    "phase": "beta",
    "licence": "MIT",
}
FIELDS = [
    Field("boat", "string", title={"en": "Number"}),
    Field("ports", "curie", cardinality="n", register="island"),
    Field("place", "string", format="point", description={"en": "Where it lies."}),
]


def test_what_a_register_writes_of_itself_reads_the_same() -> None:
    declared = declarations.read(declarations.write(REGISTER, FIELDS))
    assert declared.id == "boat"
    assert declared.title == "Boats"
    assert declared.text == "Every boat."
    assert declared.custodian == "Boats Office"
    assert (declared.phase, declared.copyright) == ("beta", "MIT")
    assert [(f.id, f.datatype, f.cardinality, f.format, f.register) for f in declared.fields] == [
        ("boat", "string", "1", None, None),
        ("ports", "curie", "n", None, "island"),
        ("place", "string", "1", "point", None),
    ]


def test_the_latest_entry_of_a_key_counts_and_fields_keep_the_registers_order() -> None:
    declared = declarations.read(
        [
            ("custodian", {"custodian": "Paul"}),
            ("field:b", {"field": "b", "datatype": "text", "cardinality": "1"}),
            ("field:a", {"field": "a", "datatype": "string", "cardinality": "1"}),
            ("field:c", {"field": "c"}),
            ("register:a", {"register": "a", "fields": ["a", "b", "gone"]}),
            ("custodian", {"custodian": "Arnau"}),
        ]
    )
    assert declared.custodian == "Arnau"
    assert [field.id for field in declared.fields] == ["a", "b", "c"]
    assert declarations.read([("name", {"name": "land"})]).id == "land"
    assert declarations.read([]).id is None


@pytest.mark.parametrize(
    ("key", "item"),
    [
        ("register:No", {}),
        ("name", {"name": "two words"}),
        ("field:NO", {"datatype": "string"}),
        ("field:a", {"datatype": "polygon"}),
        ("field:a", {"cardinality": "2"}),
        ("field:a", {"format": "roman"}),
    ],
)
def test_what_cannot_be_is_refused(key: str, item: dict[str, Any]) -> None:
    with pytest.raises(Undeclared):
        declarations.read([(key, item)])


@given(st.lists(st.tuples(KEYS, ITEMS), max_size=6))
def test_no_system_entry_breaks_the_reader(entries: list[tuple[str, dict[str, Any]]]) -> None:
    try:
        declared = declarations.read(entries)
    except Undeclared:
        return
    Checker("boat", declared.fields)


def test_items_of_a_file_are_held_against_the_fields() -> None:
    checker = Checker("boat", FIELDS)

    def faults(key: str, **values: Any) -> list[str]:
        return [f"{fault.kind}: {fault.sentence}" for fault in checker.faults(key, values)]

    assert faults("B-1", boat="B-1") == []
    assert faults("B-1", boat="B-1", ports=["island:K", "island:L"], place="4.1,73.5") == []
    assert faults("B-1", boat="B-1", ports=[], place="") == []
    assert faults("B-1", boat="B-2")[0].startswith("schema: The field boat must hold the key")
    assert faults("B-1")[0].startswith("schema: The item lacks")
    assert faults("B-1", boat="B-1", more="x") == ["schema: The register has no field more."]
    assert faults("B-1", boat="B-1", ports="island:K")[0].startswith("schema: The field ports")
    assert faults("B-1", boat=["B-1"])[0].startswith("schema")
    assert faults("B-1", boat="B-1", place="north")[0].startswith("value: The field place")
    assert faults("B-1", boat="B-1", ports=["x", "x"]) == [
        "value: A value of ports must be a reference such as island:K-Thulusdhoo.",
        "value: A value of ports must be a reference such as island:K-Thulusdhoo.",
        "value: The values of ports must differ from each other.",
    ]
    assert faults("B-1", boat="B-1", ports=["a:b;c"])[0].startswith("value")


def test_a_string_of_a_file_may_have_lines_as_the_specification_lets_it() -> None:
    checker = Checker("boat", [Field("boat", "string"), Field("note", "string")])
    assert checker.faults("B", {"boat": "B", "note": "two\r\nlines"}) == []
    assert checker.faults("B", {"boat": "B", "note": "\ufeffmark"})


def test_a_field_is_described_as_the_register_that_is_called_like_it() -> None:
    island = {**REGISTER, "name": "island", "fields": [{"id": "island", "datatype": "string"}]}
    boat = {
        **REGISTER,
        "fields": [{"id": "island", "datatype": "curie", "register": "island"}],
    }
    for order in ([island, boat], [boat, island]):
        row = catalogue.fields(order)[0]
        assert (row["field"], row["datatype"], row["register"]) == ("island", "string", "island")
