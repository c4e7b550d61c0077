"""The fonts of letters: Bitstream Vera, which ReportLab brings, and Thaana from the machine."""

# mypy: disable-error-code="import-untyped"

import unicodedata
from functools import cache
from pathlib import Path

from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

LATIN, BOLD, THAANA = "Vera", "VeraBd", "Thaana"
_THAANA_FILES = ("NotoSansThaana-Regular.ttf", "FreeSerif.ttf", "MPH2BDamase.ttf", "mvboli.ttf")
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")


@cache
def install(thaana_file: str | None = None) -> frozenset[int]:
    """Make the fonts known and return the characters that they can print, once for a process.

    thaana_file: the Thaana font to use; without it the usual folders are searched.
    """
    rl_config.warnOnMissingFontGlyphs = 0
    characters: set[int] = set()
    for name in (LATIN, BOLD):
        font = TTFont(name, f"{name}.ttf")
        pdfmetrics.registerFont(font)
        if name == LATIN:
            characters |= set(font.face.charToGlyph)
    path = Path(thaana_file) if thaana_file else _find_thaana()
    if path is not None:
        try:
            font = TTFont(THAANA, str(path))
        except (OSError, TTFError):
            return frozenset(characters)
        pdfmetrics.registerFont(font)
        characters |= {code for code in font.face.charToGlyph if is_thaana(chr(code))}
    return frozenset(characters)


def is_thaana(character: str) -> bool:
    """Whether a character is written from right to left in Thaana."""
    return "\u0780" <= character <= "\u07bf"


def in_order(text: str) -> str:
    """Return right-to-left words in the order of the page, each letter with its vowel signs.

    Words and numbers in Latin letters between them keep their own direction.
    """
    words = []
    for word in reversed(text.split(" ")):
        words.append(_turned(word) if any(map(is_thaana, word)) else word)
    return " ".join(words)


def _turned(word: str) -> str:
    pieces: list[str] = []
    for character in word:
        is_sign = unicodedata.category(character) == "Mn"
        is_latin = character.isascii() and character.isalnum()
        if pieces and (is_sign or (is_latin and pieces[-1].isascii() and pieces[-1].isalnum())):
            pieces[-1] += character
        else:
            pieces.append(character)
    return "".join(reversed(pieces))


def _find_thaana() -> Path | None:
    for folder in _FOLDERS:
        for name in _THAANA_FILES:
            if found := next(Path(folder).rglob(name), None):
                return found
    return None
