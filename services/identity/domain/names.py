"""Names, addresses and user names as people give them: any script, nothing that misleads."""

import re
import secrets
import unicodedata

LONGEST_NAME = 100
_EMAIL = re.compile(r"[^\s@<>\"',;:()\[\]\\]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_STEM = re.compile(r"[a-z][a-z0-9]{1,29}")
NATIONAL_DIGITS, COUNTRY = 7, "+960"


def clean(text: str) -> str:
    """Return a name on one line, without controls and marks that turn the direction of text."""
    kept = "".join(
        " " if unicodedata.category(c) in ("Zl", "Zp") or c in "\t\r\n" else c
        for c in unicodedata.normalize("NFC", text)
        if unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co") or c in "\t\r\n"
    )
    # Cf holds the direction marks; the joiners U+200C and U+200D belong to some scripts' spelling
    kept = "".join(c for c in kept if unicodedata.category(c) != "Cf" or c in "\u200c\u200d")
    return " ".join(kept.split())


def is_name(text: str) -> bool:
    """Whether a cleaned text can be somebody's name: it has a letter of some script."""
    return 1 <= len(text) <= LONGEST_NAME and any(
        unicodedata.category(c).startswith("L") for c in text
    )


def email(text: str) -> str | None:
    """Return an email address, or None when it is not one."""
    text = text.strip()
    return text if len(text) <= 254 and _EMAIL.fullmatch(text) else None


def phone(text: str) -> str | None:
    """Return a telephone number in international form; seven digits are Maldivian."""
    digits = re.sub(r"[\s().\-]", "", text)
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    if digits.isascii() and digits.isdecimal() and len(digits) == NATIONAL_DIGITS:
        digits = COUNTRY + digits
    return digits if _PHONE.fullmatch(digits) else None


def stem(text: str) -> str | None:
    """Return the part of a user name that the person chooses, or None when it cannot be one."""
    text = text.strip().lower()
    return text if _STEM.fullmatch(text) else None


def username(chosen: str) -> str:
    """Return a user name: all end in a number, so that none tells whether one was taken."""
    return f"{chosen}-{secrets.randbelow(900_000) + 100_000}"
