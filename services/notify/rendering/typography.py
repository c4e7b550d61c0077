"""Small corrections that make a text look set: quotes, dashes, no space before a full stop."""

import re

_SPACE_BEFORE = re.compile(r"[^\S\n]+(?=[,.](?:\s|$))")
_DASH = re.compile(r"(?<=\s)-{1,2}(?=\s)")
_OPENING_DOUBLE = re.compile(r'(^|[\s(\[“‘])"(?=\S)')
_OPENING_SINGLE = re.compile(r"(^|[\s(\[“])'(?=\S)")


def nice(text: str) -> str:
    """Return a text with typographic quotes and dashes."""
    if " " in text:
        text = _DASH.sub("–", _SPACE_BEFORE.sub("", text))
    if '"' in text:
        text = _OPENING_DOUBLE.sub(r"\1“", text).replace('"', "”")
    if "'" in text:
        text = _OPENING_SINGLE.sub(r"\1‘", text).replace("'", "’")
    return text
