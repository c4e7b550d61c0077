"""Changes of a register's fields: which ones readers bear, and why the others are refused.

Fields may be added; every field but the key is optional. What a field is (datatype, cardinality,
format, where it leads, what it means) never changes (specification v2, attribute).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.registers.domain import datatypes, keys
from services.registers.domain.items import Field

MAX_FIELDS = 200
NEVER = ("datatype", "cardinality", "format", "register")
Fault = dict[str, str]


def read(given: Mapping[str, Any], pointer: str) -> tuple[Field | None, list[Fault]]:
    """Read a field as it was sent (its JSON fits the contract): the field, or its faults."""
    found: list[Fault] = []

    def fault(name: str, detail: str) -> None:
        found.append({"detail": detail, "pointer": f"{pointer}/{name}"})

    if not keys.is_name(given["id"]):
        fault("id", "A field is called by small letters, digits and -, a letter first: length-m.")
    datatype = given.get("datatype", "string")
    if datatype not in datatypes.DATATYPES:
        fault("datatype", f"The datatypes are {', '.join(datatypes.DATATYPES)}.")
    value_format = given.get("format")
    if value_format is not None and (value_format not in datatypes.FORMATS or datatype != "string"):
        fault("format", f"A string may have the format {' or '.join(datatypes.FORMATS)}.")
    leads_to = given.get("register")
    if leads_to is not None and (datatype != "curie" or not keys.is_name(leads_to)):
        fault("register", "A field of the datatype curie may name the register that it leads to.")
    for name in ("title", "description"):
        for language, text in (given.get(name) or {}).items():
            if not datatypes.is_string(text):
                fault(f"{name}/{language}", "This must be a text of one line that is not blank.")
    if found:
        return None, found
    return (
        Field(
            id=given["id"],
            datatype=datatype,
            cardinality=given.get("cardinality", "1"),
            title=given.get("title"),
            description=given.get("description"),
            format=value_format,
            register=leads_to,
        ),
        [],
    )


def key_faults(register: str, fields: Sequence[Field]) -> list[Fault]:
    """Return a fault unless the fields have the one that holds the key, and few enough others."""
    found = []
    key = next((field for field in fields if field.id == register), None)
    if key is None:
        detail = f"A register needs the field called like it, {register}, which holds the key."
        found.append({"detail": detail, "pointer": "/fields"})
    elif key.cardinality != "1" or key.datatype not in ("string", "name", "integer"):
        detail = f"The field {register} holds the key: a string, name or integer, one value."
        found.append({"detail": detail, "pointer": "/fields"})
    if len(fields) > MAX_FIELDS:
        detail = f"A register has {MAX_FIELDS} fields at most."
        found.append({"detail": detail, "pointer": "/fields"})
    if len({field.id for field in fields}) < len(fields):
        found.append({"detail": "Two fields have the same name.", "pointer": "/fields"})
    return found


def merge(old: Sequence[Field], new: Sequence[Field]) -> tuple[list[Field], list[Fault]]:
    """Return the fields of a register that has readers after a change, or why readers break.

    A field that is there may get titles, and descriptions in languages that it lacks.
    """
    fields = {field.id: field for field in old}
    found: list[Fault] = []
    for index, field in enumerate(new):
        before = fields.get(field.id)
        if before is None:
            fields[field.id] = field
            continue
        for name in NEVER:
            was, would_be = getattr(before, name), getattr(field, name)
            if was != would_be:
                detail = (
                    f"The {name} of the field {field.id} is {was or 'none'} and would become "
                    f"{would_be or 'none'}. Programs that read it would break. Declare a new field."
                )
                found.append({"detail": detail, "pointer": f"/fields/{index}/{name}"})
        descriptions = dict(before.description or {})
        for language, text in (field.description or {}).items():
            if descriptions.setdefault(language, text) != text:
                detail = (
                    f"The field {field.id} already says what it means. A new meaning needs a new "
                    "field; the old values keep the old one."
                )
                place = f"/fields/{index}/description/{language}"
                found.append({"detail": detail, "pointer": place})
        titles = {**(before.title or {}), **(field.title or {})}
        fields[field.id] = replace(before, title=titles or None, description=descriptions or None)
    return list(fields.values()), found


def taken_away(old: Sequence[Field], new: Sequence[Field]) -> list[Fault]:
    """Return why fields cannot go."""
    gone = {field.id for field in old} - {field.id for field in new}
    return [
        {
            "detail": f"The field {name} has readers and stays. Leave its value out of new entries "
            "if it is not needed any more.",
            "pointer": "/remove",
        }
        for name in sorted(gone)
    ]


def contradictions(fields: Sequence[Field], known: Mapping[str, Mapping[str, Any]]) -> list[Fault]:
    """Return a fault for each field that the register ``field`` knows as something else.

    known: rows of ``field`` by their key. A name means the same in every register.
    """
    found = []
    for index, field in enumerate(fields):
        row = known.get(field.id, {})
        if field.datatype == "curie" and field.register == field.id:
            continue  # it leads to the register whose key has this name
        for name in ("datatype", "cardinality"):
            if row.get(name) and row[name] != getattr(field, name):
                detail = (
                    f"The platform knows the field {field.id} with the {name} {row[name]}. "
                    "The same name means the same in every register: use it, or another name."
                )
                found.append({"detail": detail, "pointer": f"/fields/{index}/{name}"})
    return found
