"""Values in emails and letters: their own words, never formatting, and some never shown again."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from services.notify.domain.template import key

HIDDEN = "[hidden]"
# what would begin a link, or stand at the beginning of a line and format it
_INLINE = re.compile(r"([\[\]]|\\(?=[!-/:-@\[-`{-~]))")
_LINE = re.compile(r"^([^\S\n]*)(#|\*|-|\^|\+|`|~)", re.MULTILINE)
_BULLET = re.compile(r"^([^\S\n]*)•", re.MULTILINE)
_NUMBER = re.compile(r"^([^\S\n]*\d{1,9})([.)])", re.MULTILINE)


def escaped(personalisation: Mapping[str, Any], *, besides: Collection[str] = ()) -> dict[str, Any]:
    """Return values that cannot format the text they are put into.

    besides: names whose values were made harmless before.
    """
    done = {key(name) for name in besides}
    return {
        name: value if key(name) in done else _escaped(value)
        for name, value in personalisation.items()
    }


def hidden(personalisation: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return values with those of some placeholders hidden."""
    wanted = {key(name) for name in names}
    return {
        name: HIDDEN if key(name) in wanted and value is not None else value
        for name, value in personalisation.items()
    }


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(item) if isinstance(item, str) else item for item in value]
    if not isinstance(value, str):
        return value
    text = _INLINE.sub(r"\\\1", value)
    text = _BULLET.sub(r"\1\\*", _LINE.sub(r"\1\\\2", text))
    return _NUMBER.sub(r"\1\\\2", text)
