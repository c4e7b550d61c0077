"""Spaces, the visible and the obscure ones that come along when a text is copied."""

OBSCURE = "\u180e\u200b\u200c\u200d\u2060\ufeff"
_OBSCURE = dict.fromkeys(map(ord, OBSCURE))


def trimmed(text: str) -> str:
    """Return the text without obscure spaces and without any around it."""
    return text.translate(_OBSCURE).strip()


def without_whitespace(text: str) -> str:
    """Return the text without any space."""
    return "".join(text.translate(_OBSCURE).split())


def collapsed(text: str) -> str:
    """Return the text in one line with single spaces."""
    return " ".join(text.translate(_OBSCURE).split())
