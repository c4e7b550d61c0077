"""Request bodies: JSON checked against JSON Schema 2020-12, every fault with its pointer."""

import json
from collections.abc import Mapping
from typing import Any

from flask import request
from jsonschema import Draft202012Validator

from servicekit.problems import Invalid, Malformed, UnsupportedMediaType


def json_body(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object in the request body.

    Raises UnsupportedMediaType, Malformed (not JSON) or Invalid with one error for each fault.
    """
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON: Content-Type: application/json.")
    return check(parse(request.get_data()), schema)


def parse(data: bytes) -> Any:
    """Read strict JSON: UTF-8, no NaN, no key twice, no lone surrogate (RFC 7493 section 2.1).

    Raises Malformed with the position.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
        if "\\u" in text:  # only an escape can smuggle half a character in
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"The body is not valid JSON: {fault}.") from None


def check(value: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value if it is an object that fits the schema; else raise Invalid."""
    faults = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: list(e.path))
    if faults or not isinstance(value, dict):
        raise Invalid(
            "Some fields break a rule; see errors.",
            errors=[
                {
                    "detail": fault.message[:300],
                    "pointer": "".join(f"/{_escape(str(part))}" for part in fault.absolute_path),
                }
                for fault in faults
            ]
            or [{"detail": "the body is not an object", "pointer": ""}],
        )
    return value


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value
