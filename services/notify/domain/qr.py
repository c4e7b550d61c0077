"""QR codes in letters: a line that begins with ``qr:`` becomes a code that leads to its link."""

import re

MAX_BYTES = 504  # more makes modules too small for a phone at four centimetres
TOO_LONG = "Cannot create a usable QR code - the link is too long"
LINE = re.compile(r"^[^\S\n]*qr[^\S\n]?:[^\S\n]?(.+)$", re.IGNORECASE | re.MULTILINE)


def links(text: str) -> list[str]:
    """Return what the codes of a letter lead to."""
    return [link.strip() for link in LINE.findall(text)]
