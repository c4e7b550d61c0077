"""Reads other components' JSON answers: the edge where Any ends."""

from collections.abc import Mapping
from typing import Any

import requests

from servicekit.problems import BadGateway


def json_of(answer: requests.Response) -> Any:
    """Return the JSON of an answer; raises BadGateway when it is none."""
    try:
        return answer.json()
    except ValueError:
        raise BadGateway("The answer of another component could not be read.") from None


def members(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of an array; anything else is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text; numbers are written out, anything else is empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def optional_text(value: Any) -> str | None:
    """Return a text, or None for null and anything that is no text."""
    return text(value) or None


def number(value: Any) -> int:
    """Return a whole number; 0 for anything that is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


def words(value: Any) -> Mapping[str, str]:
    """Return a text in several languages: ``{"en": …, "dv": …}``; a bare text counts as English."""
    if isinstance(value, str):
        return {"en": value}
    return {key: one for key, one in members(value).items() if isinstance(one, str)}
