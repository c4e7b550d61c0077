"""Templates: ``((name))`` placeholders, ``((flag??text))`` conditionals, lists as values."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_PLACEHOLDER = re.compile(r"\(\(([^()]+)\)\)")
_SHOWN = frozenset({"yes", "y", "true", "t", "1", "include", "show"})
_IGNORED_IN_KEYS = re.compile(r"[\s_-]")


def key(name: str) -> str:
    """Return a name as it is compared: without case, spaces, underscores and hyphens."""
    return _IGNORED_IN_KEYS.sub("", name).lower()


def placeholders(*texts: str | None) -> list[str]:
    """Return the names that the texts need, each once, in order, in its first spelling."""
    names: dict[str, str] = {}
    for text in texts:
        for content in _PLACEHOLDER.findall(text or ""):
            name = content.partition("??")[0]
            names.setdefault(key(name), name)
    return list(names.values())


def insensitive(personalisation: Mapping[str, Any]) -> dict[str, Any]:
    """Return personalisation by compared key, without the missing (``null``) values."""
    return {key(name): value for name, value in personalisation.items() if value is not None}


def missing(names: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return the names that ``insensitive`` values lack."""
    return [name for name in names if key(name) not in values]


def fill(text: str, values: Mapping[str, Any], write_list: Callable[[list[str]], str]) -> str:
    """Put values into a text; a placeholder without a value stays as it is.

    values: as ``insensitive`` returns them. write_list: ``bullets`` or ``in_words``.
    """

    def replace(match: re.Match[str]) -> str:
        name, conditional, content = match[1].partition("??")
        if key(name) not in values:
            return match[0]
        value = values[key(name)]
        if conditional:
            return content if str(value).lower() in _SHOWN else ""
        if isinstance(value, list):
            return write_list(
                [str(item) for item in value if item is not None and str(item).strip()]
            )
        return str(value)

    return _PLACEHOLDER.sub(replace, text)


def bullets(items: Sequence[str]) -> str:
    """Write a list for an email or letter."""
    return "\n\n" + "\n".join(f"* {item}" for item in items) if items else ""


def in_words(items: Sequence[str]) -> str:
    """Write a list for a text message: ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def subject(text: str, values: Mapping[str, Any]) -> str:
    """Return an email's subject: values in, one line, typographic quotes and dashes."""
    line = " ".join(fill(text, values, in_words).split())
    line = re.sub(r"(?<=\s)-{1,2}(?=\s)", "–", line)
    line = re.sub(r'(^|[\s(\[])"', r"\1“", line).replace('"', "”")
    return re.sub(r"(^|[\s(\[“])'", r"\1‘", line).replace("'", "’")
