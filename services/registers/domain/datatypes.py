"""Values of fields: what each datatype and format of the specification accepts (section 1.4)."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlsplit

from services.registers.domain import keys, objecthash

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_DATETIME = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}))?)?Z)?)?)?"
)
_DURATION = re.compile(
    r"P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?"
)
_CURIE = re.compile(r"[a-z][a-z0-9-]*:(?:[A-Za-z0-9._~!$&'()*+,=@/-]|%[0-9A-Fa-f]{2})*")
_HASH = re.compile(r"(?:1220|sha-256:)[0-9a-f]{64}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")
_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"
_PAIR = re.compile(r"\[-?[0-9]{1,15}\.[0-9]{1,15}, ?-?[0-9]{1,15}\.[0-9]{1,15}\]")
_WELL_KNOWN = re.compile(rf"POINT ?\({_NUMBER} {_NUMBER}\)")
_GEOJSON = re.compile(
    rf'\{{ ?"type": ?"Point", ?"coordinates": ?\[{_NUMBER}, ?{_NUMBER}\] ?\}}'
    rf'|\{{ ?"coordinates": ?\[{_NUMBER}, ?{_NUMBER}\], ?"type": ?"Point" ?\}}'
)
# neither control characters nor a byte order mark; text may have lines
_NOT_IN_STRING = re.compile("[\x00-\x1f\x7f\ufeff\ud800-\udfff]")
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")


def is_string(text: str) -> bool:
    """Accept any text of one line that is not blank."""
    return bool(text.strip()) and _NOT_IN_STRING.search(text) is None


def is_text(text: str) -> bool:
    """Accept any text, of many lines too, that is not blank."""
    return bool(text.strip()) and _NOT_IN_TEXT.search(text) is None


def is_integer(text: str) -> bool:
    """Accept a whole number without leading zeros or plus sign."""
    return _INTEGER.fullmatch(text) is not None


def is_datetime(text: str) -> bool:
    """Accept a date or a UTC time of any precision from the year down: ``2026-03``."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in match.groups())
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        return False
    given_zero = (match[2] and not month) or (match[3] and not day)
    return not given_zero and hour < 24 and minute < 60 and second < 60


def is_timestamp(text: str) -> bool:
    """Accept a full UTC time with whole seconds: ``2026-03-03T10:15:00Z``."""
    return len(text) == len("2026-03-03T10:15:00Z") and is_datetime(text)


def is_period(text: str) -> bool:
    """Accept a duration, or a start and an end or duration, as ISO 8601 writes them."""
    parts = text.split("/")
    if len(parts) == 1:
        return _is_duration(text)
    return (
        len(parts) == 2
        and all(_is_duration(part) or is_datetime(part) for part in parts)
        and any(is_datetime(part) for part in parts)
    )


def is_curie(text: str) -> bool:
    """Accept ``register:key``; with nothing after the colon it names the whole register."""
    return _CURIE.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Accept an absolute http or https address."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and _is_one_word(text)
    except ValueError:
        return False


def is_hash(text: str) -> bool:
    """Accept a SHA-256 hash as version 2 (``1220…``) or version 1 (``sha-256:…``) writes it."""
    return _HASH.fullmatch(text) is not None


def is_boolean(text: str) -> bool:
    """Accept ``true`` or ``false``."""
    return text in ("true", "false")


def is_decimal(text: str) -> bool:
    """Accept a number with a decimal point at most, no exponent: ``8.5``."""
    return _DECIMAL.fullmatch(text) is not None


def is_point(text: str) -> bool:
    """Accept ``latitude,longitude`` in decimal degrees (WGS 84): ``4.174223,73.509493``."""
    latitude, comma, longitude = text.partition(",")
    return (
        bool(comma)
        and is_decimal(latitude)
        and is_decimal(longitude)
        and abs(float(latitude)) <= 90
        and abs(float(longitude)) <= 180
    )


def is_position(text: str) -> bool:
    """Accept a point as one of the drafts of the specification writes it.

    ``[x.x,y.y]`` as the reference takes it, ``POINT(x y)`` (well-known text) or GeoJSON.
    """
    match = _PAIR.fullmatch(text) or _WELL_KNOWN.fullmatch(text)
    if match is None and text.startswith("{"):
        match = _GEOJSON.fullmatch(text)
    return match is not None


def _is_duration(text: str) -> bool:
    if _DURATION.fullmatch(text) is None:
        return False
    # PT0S is the only way to write an empty duration
    return text == "PT0S" or any(digit in "123456789" for digit in text)


def _is_one_word(text: str) -> bool:
    return _NOT_IN_STRING.search(text) is None and not any(mark.isspace() for mark in text)


Check = Callable[[str], bool]
DATATYPES: Mapping[str, tuple[Check, str]] = {
    "string": (is_string, "a text of one line that is not blank"),
    "text": (is_text, "a text that is not blank"),
    "integer": (is_integer, "a whole number such as 42"),
    "name": (keys.is_name, "a name in lower case such as start-date"),
    "curie": (is_curie, "a reference such as island:K-Thulusdhoo"),
    "datetime": (is_datetime, "a date or UTC time such as 2026-03-03 or 2026-03-03T10:15:00Z"),
    "timestamp": (is_timestamp, "a UTC time with seconds such as 2026-03-03T10:15:00Z"),
    "period": (is_period, "a period such as P1Y or 2026-01-01/2026-12-31"),
    "url": (is_url, "a web address such as https://example.org/"),
    "hash": (is_hash, "a SHA-256 hash such as 1220 and 64 hexadecimal digits"),
    "boolean": (is_boolean, "true or false"),
    "point": (is_position, "a point such as [73.5,4.1], POINT(73.5 4.1) or GeoJSON"),
}
# What a context may call a datatype: the specification's conformance suite knows no other. A point
# is shown as a string with an extra member `format`.
SHOWN = {"point": ("string", "position")}
# Narrower than a datatype. The specification has no decimal, and no point that its own conformance
# suite accepts: such fields are strings with an extra member `format`.
FORMATS: Mapping[str, tuple[Check, str]] = {
    "decimal": (is_decimal, "a number such as 8.5"),
    "point": (is_point, "latitude,longitude in decimal degrees such as 4.174223,73.509493"),
}


def fault_of(value: str, datatype: str, value_format: str | None = None) -> str | None:
    """Say what a value should have been, or None when the datatype and format accept it."""
    if value.startswith(objecthash.REDACTED):
        return f"a value that does not begin with {objecthash.REDACTED}"
    check, wanted = DATATYPES[datatype]
    if check(value) and value_format is not None:
        check, wanted = FORMATS[value_format]
    return None if check(value) else wanted
