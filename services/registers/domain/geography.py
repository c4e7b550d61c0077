"""Places: the points of records, as longitude and latitude (RFC 7946 section 3.1.1)."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.registers.domain import datatypes
from services.registers.domain.items import Field

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def field_with_places(fields: Sequence[Field]) -> Field | None:
    """Return the field that says where a record is."""
    return next(
        (field for field in fields if field.format == "point" or field.datatype == "point"), None
    )


def place_of(field: Field, item: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return longitude and latitude of a record; None where it does not say.

    Our own points are ``latitude,longitude``, as people write them; the drafts of the
    specification have x before y.
    """
    value = item.get(field.id)
    if not isinstance(value, str):
        return None
    if field.format == "point":
        if not datatypes.is_point(value):
            return None
        latitude, _, longitude = value.partition(",")
        return float(longitude), float(latitude)
    if not datatypes.is_position(value):
        return None
    text = json.dumps(json.loads(value)["coordinates"]) if value[0] == "{" else value
    longitude, latitude = _NUMBER.findall(text)[:2]
    if abs(float(longitude)) > 180 or abs(float(latitude)) > 90:
        return None
    return float(longitude), float(latitude)


def feature(key: str, item: Mapping[str, Any], place: tuple[float, float] | None) -> dict[str, Any]:
    """Return a record as a feature of GeoJSON; without a place it has no geometry."""
    geometry = None if place is None else {"type": "Point", "coordinates": list(place)}
    return {"type": "Feature", "id": key, "geometry": geometry, "properties": dict(item)}
