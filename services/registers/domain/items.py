"""Items: what a custodian sends, checked field by field and put into canonical form."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from services.registers.domain import canonical, datatypes, keys, objecthash

Value = str | list[str]


@dataclass(frozen=True)
class Field:
    """One field of a register's schema; ``register`` is where a curie must lead."""

    id: str
    datatype: str
    cardinality: str = "1"
    title: Mapping[str, str] | None = None
    description: Mapping[str, str] | None = None
    format: str | None = None
    register: str | None = None


@dataclass(frozen=True)
class Item:
    """A valid item: its key, its canonical JSON and the digest that identifies it.

    references: JSON Pointer, register and key of each curie that must resolve.
    """

    key: str
    content: str
    blob_hash: bytes
    references: tuple[tuple[str, str, str], ...] = ()

    @property
    def item_hash(self) -> bytes:
        """The digest that identifies it in version 1."""
        return canonical.item_hash(self.content)


class Faulty(Exception):
    """An item breaks rules: ``faults`` holds ``{"detail": sentence, "pointer": JSON Pointer}``."""

    def __init__(self, faults: Sequence[Mapping[str, str]]) -> None:
        super().__init__("; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults))
        self.faults = faults


def read_item(
    register: str, fields: Sequence[Field], given: Mapping[str, Any], pointer: str = "/item"
) -> Item:
    """Check an item of a register against its fields; raises Faulty with every fault.

    Missing, null, "" and [] mean the same and are left out. Texts become normal form C. The
    field called like the register holds the key.
    """
    known = {field.id: field for field in fields}
    faults: list[dict[str, str]] = []
    values: dict[str, Value] = {}
    references: list[tuple[str, str, str]] = []
    for name, value in given.items():
        place = f"{pointer}/{_escape(name)}"
        field = known.get(name)
        if field is None:
            faults.append(
                {
                    "detail": f"The register has no field of this name; it has {', '.join(known)}.",
                    "pointer": place,
                }
            )
            continue
        value = _without_nothing(value)
        if value is None:
            continue
        found = list(_faults_of(field, value, place))
        faults += found
        if found:
            continue
        values[name] = _normal(value)
        if field.datatype == "curie" and field.register is not None:
            references += _references(field.register, values[name], place)
    key = values.get(register, "")
    place = f"{pointer}/{register}"
    if register not in values and not any(fault["pointer"] == place for fault in faults):
        faults.append({"detail": "This field holds the key and is needed.", "pointer": place})
    elif key and not (isinstance(key, str) and keys.is_key(key)):
        faults.append({"detail": keys.KEY_RULE, "pointer": place})
    if faults:
        raise Faulty(faults)
    assert isinstance(key, str)  # noqa: S101 (checked above)
    return Item(key, canonical.item_json(values), objecthash.blob_hash(values), tuple(references))


def _without_nothing(value: Any) -> Any:
    """Return a value without what means nothing: null and "" (in a list too), an empty list."""
    if isinstance(value, list):
        value = [element for element in value if element is not None and element != ""]
    return None if value in (None, "", []) else value


def _faults_of(field: Field, value: Any, place: str) -> Iterator[dict[str, str]]:
    if field.cardinality == "1":
        if not isinstance(value, str):
            wanted = "one value, not a list" if isinstance(value, list) else "a JSON string"
            yield {"detail": f"Send {wanted}.", "pointer": place}
        elif wanted_value := datatypes.fault_of(value, field.datatype, field.format):
            yield {"detail": f"This must be {wanted_value}.", "pointer": place}
        elif field.datatype == "curie" and not _leads_to(value, field.register):
            yield {"detail": f"This must name a record: {field.register}:KEY.", "pointer": place}
        return
    if not isinstance(value, list):
        yield {"detail": "Send a list of values.", "pointer": place}
        return
    one = Field(field.id, field.datatype, format=field.format, register=field.register)
    for index, element in enumerate(value):
        here = f"{place}/{index}"
        yield from _faults_of(one, element, here)
        if isinstance(element, str) and ";" in element:
            # CSV joins values with it and cannot escape it
            yield {"detail": "A value of a list cannot contain a semicolon.", "pointer": here}
    texts = [unicodedata.normalize("NFC", text) for text in value if isinstance(text, str)]
    if len(set(texts)) < len(texts):
        yield {"detail": "The values of a list must differ from each other.", "pointer": place}


def _leads_to(curie: str, register: str | None) -> bool:
    if register is None:
        return True
    prefix, _, reference = curie.partition(":")
    return prefix == register and keys.is_key(unquote(reference))


def _references(register: str, value: Value, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield place, register, unquote(value.partition(":")[2])
        return
    for index, element in enumerate(value):
        yield f"{place}/{index}", register, unquote(element.partition(":")[2])


def _normal(value: Value) -> Value:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    return [unicodedata.normalize("NFC", element) for element in value]


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
