"""Postal addresses: from personalisation to the lines on the envelope, by a country's rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.notify.domain.countries import ELSEWHERE, EUROPE, Country
from services.notify.domain.whitespace import collapsed

TOO_FEW = "Address must be at least 3 lines"
TOO_MANY = "Address must be no more than 7 lines"
NO_NAME = "The first 2 lines of the address must both include at least one alphanumeric character"
MILITARY_ABROAD = "The last line of a BFPO address must not be a country."
BAD_START = (
    "Address lines must not start with any of the following characters: @ ( ) = [ ] ” \\ / , < >"
)
NOT_REAL = "Must be a real address"

LINES = tuple(f"address_line_{number}" for number in range(1, 8))
_BAD_STARTS = tuple('@()=[]”\\/,<>"')
_NO_ABODE = re.compile(r"no fixed (abode|address)|of no fixed abode|nfa", re.IGNORECASE)
_MILITARY = re.compile(r"bfpo\s?(c/o\s?)?\d{1,4}", re.IGNORECASE)


class InvalidAddress(ValueError):
    """A letter could not be delivered there; the message says why."""


@dataclass(frozen=True)
class Address:
    """Where a letter goes. lines: as printed. country: None at home."""

    lines: tuple[str, ...]
    country: str | None = None

    @property
    def key(self) -> str:
        """Return the form in which two addresses are compared."""
        return "\n".join(re.sub(r"[\W_]", "", line).lower() for line in self.lines)

    @property
    def postage_abroad(self) -> str | None:
        """Return the postage of a letter abroad, or None at home."""
        if self.country is None:
            return None
        return "europe" if self.country in EUROPE else "rest-of-world"


def written(personalisation: Mapping[str, Any]) -> list[str | None]:
    """Return the caller's raw lines 1 to 7; a postcode stands for the seventh when that is absent.

    Keys must have their underscores here, as on the public API.
    """
    values = [personalisation.get(name) for name in LINES]
    if values[6] is None:
        values[6] = personalisation.get("postcode")
    return [None if value is None else str(value) for value in values]


def parse(personalisation: Mapping[str, Any], country: Country, *, abroad: bool) -> Address:
    """Return the address that personalisation names. Raises InvalidAddress.

    abroad: whether the service may send letters to other countries.
    """
    lines = [line for text in written(personalisation) for line in _split(text)]
    if lines and lines[-1].lower().rstrip(".") in country.own_names and not _is_military(lines):
        lines.pop()
    if len(lines) < 3:
        raise InvalidAddress(TOO_FEW)
    if len(lines) > 7:
        raise InvalidAddress(TOO_MANY)
    if not all(any(character.isalnum() for character in line) for line in lines[:2]):
        raise InvalidAddress(NO_NAME)
    found = _placed(lines, country, abroad=abroad)
    if any(line.startswith(_BAD_STARTS) for line in lines):
        raise InvalidAddress(BAD_START)
    if any(_NO_ABODE.fullmatch(line) for line in lines):
        raise InvalidAddress(NOT_REAL)
    return found


def _split(text: str | None) -> list[str]:
    lines = (collapsed(line).rstrip(",") for line in (text or "").splitlines())
    return [line for line in lines if line]


def _is_military(lines: Sequence[str]) -> bool:
    return any(_MILITARY.fullmatch(line) for line in lines)


def _placed(lines: list[str], country: Country, *, abroad: bool) -> Address:
    last = lines[-1].lower().rstrip(".")
    if country.has_military_post and _is_military(lines):
        if last in ELSEWHERE or last in country.own_names:
            raise InvalidAddress(MILITARY_ABROAD)
        return Address(tuple(lines))
    if country.places is None:
        if country.postcode.fullmatch(lines[-1]):
            return Address((*lines[:-1], _postcode(lines[-1])))
    elif _names_place(lines, country):
        return Address(tuple(lines))
    if abroad and last in ELSEWHERE and last not in country.own_names:
        return Address(tuple(lines), country=last)
    raise InvalidAddress(country.not_anywhere if abroad else country.not_local)


def _postcode(text: str) -> str:
    plain = text.replace(" ", "").upper()
    return f"{plain[:-3]} {plain[-3:]}"


def _names_place(lines: list[str], country: Country) -> bool:
    """Whether an atoll or city stands in the last line or the one before it.

    The postcode under or after it is optional. What stands before the atoll is the island.
    """
    assert country.places is not None  # noqa: S101 (asked only where places are the rule)
    body = lines[:-1] if country.postcode.fullmatch(lines[-1]) else lines
    return any(country.places.search(line) for line in body[-2:]) and len(body) >= 2
