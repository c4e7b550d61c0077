"""What the system entries of a register declare: its name, custodian and fields (section 1.0)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.registers.domain import datatypes, keys
from services.registers.domain.items import Field

PHASES = ("discovery", "alpha", "beta", "live")


class Undeclared(Exception):
    """System entries declare something that a register cannot be."""


@dataclass(frozen=True)
class Declared:
    """A register as its system entries declare it; None where they say nothing."""

    id: str | None
    title: str | None
    text: str | None
    custodian: str | None
    registry: str | None
    phase: str | None
    copyright: str | None
    fields: tuple[Field, ...]


def read(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> Declared:
    """Read system entries (key, item) in their order; the latest of a key counts.

    The id comes from ``register:`` or else from ``name``. Raises Undeclared.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for key, item in entries:
        latest.pop(key, None)
        latest[key] = item
    about = next(
        (item for key, item in reversed(latest.items()) if key.startswith("register:")), {}
    )
    named = next((key[9:] for key in reversed(latest) if key.startswith("register:")), None)
    identifier = named or _text(latest.get("name", {}), "name")
    if identifier is not None and not keys.is_name(identifier):
        raise Undeclared(f"{identifier!r} cannot be the name of a register.")
    return Declared(
        id=identifier,
        title=_text(latest.get("register-name", {}), "register-name"),
        text=_text(about, "text"),
        custodian=_text(latest.get("custodian", {}), "custodian"),
        registry=_text(about, "registry"),
        phase=_text(about, "phase"),
        copyright=_text(about, "copyright"),
        fields=tuple(_fields(latest, about)),
    )


def write(register: Mapping[str, Any], fields: Sequence[Field]) -> list[tuple[str, dict[str, Any]]]:
    """Return the system entries (key, item) that declare a register of ours.

    register: the columns of its table: name, title, description, custodian, phase, licence.
    """
    title = register["title"].get("en", "")
    entries: list[tuple[str, dict[str, Any]]] = [("name", {"name": register["name"]})]
    if title:
        entries.append(("register-name", {"register-name": title}))
    entries.append(("custodian", {"custodian": register["custodian"]}))
    entries += [(f"field:{field.id}", field_item(field, register["phase"])) for field in fields]
    about = {
        "copyright": register["licence"],
        "fields": [field.id for field in fields],
        "phase": register["phase"],
        "register": register["name"],
        "text": register["description"].get("en", ""),
    }
    entries.append((f"register:{register['name']}", _without_empty(about)))
    return [(key, item) for key, item in entries if all(item.values())]


def field_item(field: Field, phase: str) -> dict[str, Any]:
    """Return the item of a ``field:`` entry, with what only we say in members of its own."""
    titles, descriptions = field.title or {}, field.description or {}
    return _without_empty(
        {
            "cardinality": field.cardinality,
            "datatype": field.datatype,
            "field": field.id,
            "format": field.format or "",
            "phase": phase,
            "register": field.register or "",
            "text": descriptions.get("en") or titles.get("en", ""),
        }
    )


def _fields(latest: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]) -> Iterable[Field]:
    declared = {
        key[6:]: item for key, item in latest.items() if key.startswith("field:") and key[6:]
    }
    listed = about.get("fields", [])
    order = [name for name in listed if name in declared] if isinstance(listed, list) else []
    for name in dict.fromkeys([*order, *declared]):
        yield _field(name, declared[name])


def _field(name: str, item: Mapping[str, Any]) -> Field:
    datatype, cardinality = _text(item, "datatype") or "string", _text(item, "cardinality") or "1"
    if not keys.is_name(name):
        raise Undeclared(f"{name!r} cannot be the name of a field.")
    if datatype not in datatypes.DATATYPES:
        known = ", ".join(datatypes.DATATYPES)
        raise Undeclared(f"The field {name} has the datatype {datatype!r}; there are {known}.")
    if cardinality not in ("1", "n"):
        raise Undeclared(f"The field {name} has the cardinality {cardinality!r}; it is 1 or n.")
    value_format = _text(item, "format")
    if value_format is not None and value_format not in datatypes.FORMATS:
        raise Undeclared(f"The field {name} has the unknown format {value_format!r}.")
    text = _text(item, "text")
    return Field(
        id=name,
        datatype=datatype,
        cardinality=cardinality,
        description={"en": text} if text else None,
        format=value_format,
        register=_text(item, "register"),
    )


def _text(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _without_empty(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value not in ("", [], None)}
