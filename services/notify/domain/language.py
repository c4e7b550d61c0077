"""In which language a text is, told by its script."""

import unicodedata


def of(text: str) -> str:
    """Return ``dv`` when most letters are Thaana, else ``en``."""
    thaana = sum("\u0780" <= character <= "\u07b1" for character in text)
    latin = sum(unicodedata.category(c)[0] == "L" and c < "\u0250" for c in text)
    return "dv" if thaana > latin else "en"


def direction(language: str) -> str:
    """Return the direction that a language is written in."""
    return "rtl" if language == "dv" else "ltr"
