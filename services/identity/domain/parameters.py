"""OAuth parameters as they may arrive: printable ASCII, each once (RFC 6749 3.1 and A)."""

import re
from collections.abc import Iterable, Mapping

_TEXT = re.compile(r"[\x20-\x7e]*")
# These may hold a person's own words; nothing stores them or sends them back.
_FREE = frozenset({"login_hint", "ui_locales"})
_REPEATABLE = frozenset({"resource"})  # RFC 8707 section 2
LONGEST_REQUEST = 6000  # it must fit into the address of the sign-in page


def fault(parameters: Mapping[str, Iterable[str]]) -> str | None:
    """Return what is wrong with a request's parameters as a sentence of plain ASCII, or None."""
    for name, values in parameters.items():
        given = list(values)
        shown = name if re.fullmatch(r"[a-z0-9_]{1,40}", name) else "a parameter"
        if len(given) > 1 and name not in _REPEATABLE:
            return f"Send {shown} only once."
        if not _TEXT.fullmatch(name) or (
            name not in _FREE and not all(_TEXT.fullmatch(value) for value in given)
        ):
            return f"The value of {shown} has characters that are not printable ASCII."
    size = sum(len(name) + len(value) for name in parameters for value in parameters[name])
    return "The request is too long." if size > LONGEST_REQUEST else None
