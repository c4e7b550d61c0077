"""The fonts of letters: Bitstream Vera, which ReportLab brings, and Thaana from the machine."""

# mypy: disable-error-code="import-untyped"

from functools import cache
from pathlib import Path

from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

LATIN, BOLD, THAANA = "Vera", "VeraBd", "Thaana"
_THAANA_FILES = ("NotoSansThaana-Regular.ttf", "FreeSerif.ttf", "MPH2BDamase.ttf", "mvboli.ttf")
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")


@cache
def install() -> frozenset[int]:
    """Make the fonts known and return the characters that they can print, once for a process."""
    rl_config.warnOnMissingFontGlyphs = 0
    characters: set[int] = set()
    for name in (LATIN, BOLD):
        font = TTFont(name, f"{name}.ttf")
        pdfmetrics.registerFont(font)
        if name == LATIN:
            characters |= set(font.face.charToGlyph)
    if (path := _find_thaana()) is not None:
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
    """Return right-to-left text in the order of the page.

    A vowel sign then comes before its letter: it has no width and is drawn over what follows.
    Words and numbers in Latin letters keep their own direction and their own order.
    """
    runs: list[list[str]] = []
    for word in text.split(" "):
        is_latin = bool(word) and not any(map(is_thaana, word))
        if is_latin and runs and not _is_turned(runs[-1][0]):
            runs[-1].append(word)
        else:
            runs.append([word if is_latin else _turned(word)])
    return " ".join(" ".join(run) for run in reversed(runs))


def _is_turned(word: str) -> bool:
    """Whether a word holds Thaana (or nothing)."""
    return not word or any(map(is_thaana, word))


def _turned(word: str) -> str:
    pieces: list[str] = []
    for character in word:
        is_latin = character.isascii() and character.isalnum()
        if pieces and is_latin and pieces[-1].isascii() and pieces[-1].isalnum():
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
