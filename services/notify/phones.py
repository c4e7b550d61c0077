"""Reads phone numbers as callers write them, for a home country (libphonenumber's rules)."""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from services.notify.domain.countries import Country
from services.notify.domain.phone import (
    NOT_ENOUGH,
    NOT_VALID,
    PREFIX,
    SYMBOLS,
    TOO_MANY,
    InvalidPhone,
    Phone,
)
from services.notify.domain.whitespace import without_whitespace

_WRITTEN = re.compile(r"[0-9()+-]*")
# the numbers for drama are in it: libphonenumber rightly knows nobody there, tests need them
_UNKNOWN_TO_LIBRARY = re.compile(r"447700\d{6}")
_MAX_DIGITS = 15  # E.164 section 6
_LANDLINES = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.UAN})
_TEXTABLE = _LANDLINES | {
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.PERSONAL_NUMBER,
}
_UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: PREFIX,
    NumberParseException.TOO_LONG: TOO_MANY,
}
_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: NOT_ENOUGH,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: NOT_ENOUGH,
    ValidationResult.TOO_LONG: TOO_MANY,
    ValidationResult.INVALID_COUNTRY_CODE: PREFIX,
}


def parse(text: str, country: Country) -> Phone:
    """Read a phone number: national, or international with ``+``, ``00`` or nothing in front.

    Spreadsheets strip a leading ``+``, so what cannot be a number at home is also tried abroad.
    Raises InvalidPhone.
    """
    written = without_whitespace(text)
    if not _WRITTEN.fullmatch(written):
        raise InvalidPhone(SYMBOLS)
    if "+" in written.lstrip("(")[1:]:
        raise InvalidPhone(NOT_VALID)
    digits = re.sub(r"\D", "", written)
    if not digits:
        raise InvalidPhone(NOT_ENOUGH)
    if len(digits.lstrip("0")) > _MAX_DIGITS:
        raise InvalidPhone(TOO_MANY)
    number = _possible(("+" if "+" in written else "") + digits, digits, country)
    is_home = number.country_code == country.calling_code
    e164 = f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    if _UNKNOWN_TO_LIBRARY.fullmatch(e164):
        return Phone(e164, is_international=not is_home)
    if not phonenumbers.is_valid_number(number):
        raise InvalidPhone(_by_length(number, country) if is_home else NOT_VALID)
    kind = phonenumbers.number_type(number)
    if kind not in _TEXTABLE:
        raise InvalidPhone(country.not_mobile if is_home else NOT_VALID)
    return Phone(e164, is_international=not is_home, is_landline=is_home and kind in _LANDLINES)


def normalised_sender(text: str, country: Country) -> str:
    """Return a sender's text; one that is a phone number in its E.164 digits."""
    try:
        return parse(text, country).digits
    except InvalidPhone:
        return text


def _possible(written: str, digits: str, country: Country) -> PhoneNumber:
    first: str | None = None
    for candidate in (written, f"+{digits}", f"+{digits.lstrip('0')}"):
        try:
            number = phonenumbers.parse(candidate, country.code)
            result = phonenumbers.is_possible_number_with_reason(number)
        except NumberParseException as fault:
            first = first or _UNREADABLE.get(fault.error_type, NOT_ENOUGH)
            continue
        if result == ValidationResult.IS_POSSIBLE:
            return number
        first = first or _IMPOSSIBLE.get(result) or _by_length(number, country)
    raise InvalidPhone(first or NOT_VALID)


def _by_length(number: PhoneNumber, country: Country) -> str:
    """Say what is wrong with a number that nobody has, by the usual length at home."""
    digits = len(phonenumbers.national_significant_number(number))
    if digits == country.national_digits:
        return NOT_VALID
    return NOT_ENOUGH if digits < country.national_digits else TOO_MANY
