"""SVG as text: elements, escaping, and lines of words broken to a width without a font at hand."""

import unicodedata
from html import escape

# Average advance of a character as a part of the type size; Thaana's vowel signs take no room.
_ADVANCE = 0.53


def element(name: str, *children: str, **attributes: object) -> str:
    """Write an element. Children are markup already; attribute values are escaped.

    ``class_`` stands for class, and ``_`` in a name for ``-``; None leaves the attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(_number(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def words(text: str) -> str:
    """Escape text that a person reads."""
    return escape(printable(text))


def printable(text: str) -> str:
    """Drop what XML 1.0 section 2.2 does not allow: control characters and lone surrogates."""
    return "".join(
        c for c in text if c in "\t\n" or (ord(c) >= 32 and unicodedata.category(c) != "Cs")
    ).translate({0xFFFE: None, 0xFFFF: None, 0x7F: None})


def width(text: str, size: float) -> float:
    """Estimate how wide a text is at a type size, in the drawing's units."""
    return size * _ADVANCE * sum(unicodedata.category(c) not in ("Mn", "Cf") for c in text)


def lines(text: str, room: float, size: float) -> list[str]:
    """Break a text at spaces into lines that fit the room; a longer word is broken inside.

    What is isolated from the text's direction (U+2068 … U+2069) stays so on each of its lines.
    """
    result: list[str] = []
    isolated = False
    for line in _broken(text, room, size):
        opened = f"\u2068{line}" if isolated else line
        isolated = opened.rfind("\u2068") > opened.rfind("\u2069")
        result.append(f"{opened}\u2069" if isolated else opened)
    return result


def _broken(text: str, room: float, size: float) -> list[str]:
    result: list[str] = []
    line = ""
    for word in text.split():
        while width(word, size) > room:
            if line:
                result.append(line)
                line = ""
            fits = max(1, int(room / (size * _ADVANCE)))
            result.append(word[:fits])
            word = word[fits:]
        longer = f"{line} {word}" if line and word else line or word
        if width(longer, size) <= room:
            line = longer
        else:
            result.append(line)
            line = word
    return [*result, line] if line else result


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
