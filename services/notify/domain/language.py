"""In which language a text is, told by its script."""

import unicodedata


def of(text: str) -> str:
    """Return ``dv`` when most words are written in Thaana, else ``en``.

    Words are counted, because one long name or number in Latin letters makes no English sentence;
    a name with a Dhivehi ending is a Dhivehi word.
    """
    thaana = latin = 0
    for word in text.split():
        if any("\u0780" <= c <= "\u07b1" for c in word):
            thaana += 1
        elif any(unicodedata.category(c)[0] == "L" and c < "\u0250" for c in word):
            latin += 1
    return "dv" if thaana > latin else "en"


def direction(language: str) -> str:
    """Return the direction that a language is written in."""
    return "rtl" if language == "dv" else "ltr"
