"""Items that others wrote down already (RSF, CSV): do they fit the register's fields?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.registers.domain import datatypes
from services.registers.domain.items import Field

Kind = Literal["schema", "value"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an item; a ``value`` fault is one that a published log may have."""

    sentence: str
    kind: Kind


class Checker:
    """Checks items of one register.

    key_field: the field that holds the key, by convention the one called like the register.
    """

    def __init__(self, key_field: str, fields: Sequence[Field]) -> None:
        self._key_field = key_field
        self._fields: Mapping[str, tuple[bool, Callable[[str], str | None]]] = {
            field.id: (field.cardinality == "n", _value_check(field)) for field in fields
        }

    def faults(self, key: str, values: Mapping[str, Any]) -> list[Fault]:
        """Return every fault of an item that an entry with this key names."""
        found: list[Fault] = []
        if values.get(self._key_field) != key:
            sentence = (
                f"The field {self._key_field} must hold the key {key}."
                if self._key_field in values
                else f"The item lacks the field {self._key_field}, which holds the key."
            )
            found.append(Fault(sentence, "schema"))
        for name, value in values.items():
            known = self._fields.get(name)
            if known is None:
                found.append(Fault(f"The register has no field {name}.", "schema"))
                continue
            many, check = known
            if not value:
                continue  # the same as a field that is not there
            if many is not isinstance(value, list):
                wanted = "a list of values" if many else "one value"
                found.append(Fault(f"The field {name} takes {wanted}.", "schema"))
            elif not many:
                if wanted_value := check(value):
                    found.append(Fault(f"The field {name} must be {wanted_value}.", "value"))
            else:
                found += _list_faults(name, value, check)
        return found


def _list_faults(
    name: str, values: Sequence[str], check: Callable[[str], str | None]
) -> list[Fault]:
    found = []
    for value in values:
        if value and (wanted := check(value)):
            found.append(Fault(f"A value of {name} must be {wanted}.", "value"))
        elif ";" in value:
            sentence = f"A value of {name} cannot contain a semicolon: CSV joins values with it."
            found.append(Fault(sentence, "value"))
    if len(set(values)) < len(values):
        found.append(Fault(f"The values of {name} must differ from each other.", "value"))
    return found


def _value_check(field: Field) -> Callable[[str], str | None]:
    # the specification lets a string have lines; that it has one is a rule for what is minted here
    datatype = "text" if (field.datatype, field.format) == ("string", None) else field.datatype

    is_fine, _ = datatypes.DATATYPES[datatype]

    def check(value: str) -> str | None:
        # nearly every value is fine; the longer way tells what is wrong with the others
        if field.format is None and value[:2] != "**" and is_fine(value):
            return None
        return datatypes.fault_of(value, datatype, field.format)

    return check
