"""Phone numbers: what is said of wrong ones. ``services.notify.phones`` reads them."""

from dataclasses import dataclass

NOT_ENOUGH = "Not enough digits"
TOO_MANY = "Too many digits"
SYMBOLS = "Must not contain letters or symbols"
PREFIX = "Not a valid country prefix"
NOT_VALID = "Number is not valid – double check the phone number you entered"


class InvalidPhone(ValueError):
    """The text is not a phone number that can be texted; the message says why."""


@dataclass(frozen=True)
class Phone:
    """A number as E.164 digits without ``+``. is_landline: at home, and no mobile."""

    digits: str
    is_international: bool
    is_landline: bool = False
