"""Takes links and formatting out of values that strangers wrote (``sanitise_content_for``)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.notify.domain.template import key

# every repetition before a delimiter is bounded: a long word must not cost its square
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]{0,31}://[^\s()<>\[\]]*"
    r"|(?:[^\W_][\w-]{0,62}\.){1,40}[^\W\d_]{2,63}(?:[/?#:][^\s()<>\[\]]*)?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W_]([^\W_]|[.-])*")
_FORMATTING = re.compile(r"([`*_(){}\[\]<>#+.!|\\-])")


def sanitised(
    personalisation: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return personalisation with the named values made harmless, and what was changed.

    Names match as placeholders do. Texts and items of lists are treated; other values stay.
    """
    wanted = {key(name) for name in names}
    result: dict[str, Any] = {}
    changes: dict[str, dict[str, Any]] = {}
    for name, value in personalisation.items():
        result[name] = _harmless(value) if key(name) in wanted else value
        if result[name] != value:
            changes[name] = {"unsanitised": value, "sanitised": result[name]}
    return result, changes


def _harmless(value: Any) -> Any:
    if isinstance(value, list):
        return [_harmless(item) if isinstance(item, str) else item for item in value]
    if not isinstance(value, str):
        return value
    return _FORMATTING.sub(r"\\\1", _LINK.sub(_without_link, value))


def _without_link(match: re.Match[str]) -> str:
    # a name with a dot in it is a link to some mail programs; a space keeps the words
    return match[0].replace(".", ". ") if _WORDS.fullmatch(match[0]) else ""
