"""Places on the earth, for people to read."""

import re

_POINT = re.compile(r"(-?)(\d{1,3}(?:\.\d+)?),\s*(-?)(\d{1,3}(?:\.\d+)?)")


def point(text: str) -> str:
    """Write latitude and longitude in decimal degrees as ``4.37° N, 73.65° E``.

    A line may break at the comma only. A text that is no such point stays as it is.
    """
    found = _POINT.fullmatch(text)
    if found is None:
        return text
    south, latitude, west, longitude = found.groups()
    return f"{latitude}°\u00a0{'S' if south else 'N'}, {longitude}°\u00a0{'W' if west else 'E'}"
