"""Phone numbers as callers write them, checked and normalised for a home country (E.164)."""

import re
from dataclasses import dataclass

from services.notify.domain.whitespace import without_whitespace

NOT_ENOUGH = "Not enough digits"
TOO_MANY = "Too many digits"
SYMBOLS = "Must not contain letters or symbols"
PREFIX = "Not a valid country prefix"
NOT_VALID = "Number is not valid – double check the phone number you entered"

_WRITTEN = re.compile(r"[0-9()+-]*")
_MAX_DIGITS = 15  # E.164 section 6
_MIN_INTERNATIONAL_DIGITS = 8


class InvalidPhone(ValueError):
    """The text is not a phone number that can be texted; the message says why."""


@dataclass(frozen=True)
class Country:
    """The rules of a home country as data."""

    code: str
    prefix: str
    national_digits: int
    mobile: re.Pattern[str]
    not_mobile: str


COUNTRIES = {
    "MV": Country("MV", "960", 7, re.compile(r"[79]\d{6}"), "Not a Maldivian mobile number"),
}


@dataclass(frozen=True)
class Phone:
    """A number as E.164 digits without ``+``."""

    digits: str
    is_international: bool


def parse(text: str, country: Country) -> Phone:
    """Read a phone number: national, or international with ``+``, ``00`` or nothing in front.

    Spreadsheets strip a leading ``+``, so ten or more digits are also tried as international.
    Raises InvalidPhone.
    """
    written = without_whitespace(text)
    if not _WRITTEN.fullmatch(written):
        raise InvalidPhone(SYMBOLS)
    if "+" in written.lstrip("(")[1:]:
        raise InvalidPhone(NOT_VALID)
    digits = re.sub(r"\D", "", written)
    marked = "+" in written
    if not marked and digits.startswith("00"):
        marked, digits = True, digits[2:]
    if len(digits) > _MAX_DIGITS:
        raise InvalidPhone(TOO_MANY)
    if digits.startswith(country.prefix) and (
        marked or len(digits) >= len(country.prefix) + country.national_digits
    ):
        return _national(digits.removeprefix(country.prefix), country)
    if not marked and len(digits) < 10:
        return _national(digits, country)
    return _international(digits)


def _national(digits: str, country: Country) -> Phone:
    if len(digits) < country.national_digits:
        raise InvalidPhone(NOT_ENOUGH)
    if len(digits) > country.national_digits:
        raise InvalidPhone(TOO_MANY)
    if not country.mobile.fullmatch(digits):
        raise InvalidPhone(country.not_mobile)
    return Phone(country.prefix + digits, is_international=False)


def _international(digits: str) -> Phone:
    if not digits:
        raise InvalidPhone(NOT_ENOUGH)
    if not any(digits[:length] in CALLING_CODES for length in (1, 2, 3)):
        raise InvalidPhone(PREFIX)
    if len(digits) < _MIN_INTERNATIONAL_DIGITS:
        raise InvalidPhone(NOT_ENOUGH)
    return Phone(digits, is_international=True)


def _codes(ranges: str) -> frozenset[str]:
    codes: set[str] = set()
    for part in ranges.split():
        first, _, last = part.partition("-")
        codes.update(str(code) for code in range(int(first), int(last or first) + 1))
    return frozenset(codes)


# ITU-T E.164 assigned country codes
CALLING_CODES = _codes(
    "1 7 20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98 "
    "211-213 216 218 220-258 260-269 290 291 297-299 350-359 370-383 385-387 389 420 421 423 "
    "500-509 590-599 670 672-683 685-692 850 852 853 855 856 880 886 "
    "960-968 970-977 992-996 998"
)
