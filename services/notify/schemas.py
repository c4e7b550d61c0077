"""Bodies and queries of the v2 API: JSON schemas, and faults in the words its clients know."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import request
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import ValidationError as Fault

from servicekit import schema
from servicekit.problems import Malformed
from services.notify import phones
from services.notify.domain import email_address, statuses
from services.notify.domain.countries import Country
from services.notify.errors import BadRequestError, ValidationError

Json = dict[str, Any]

MAX_DEPTH = 40
TEMPLATE_TYPES = ["sms", "email", "letter"]
UUID_TEXT: Json = {
    "type": "string",
    "format": "uuid_text",
    "validationMessage": "is not a valid UUID",
}
_OPTIONAL: Json = {
    "reference": {"type": "string", "maxLength": 1000},
    "personalisation": {"type": "object"},
    "scheduled_for": {"type": ["string", "null"], "format": "within_a_week"},
}


def _body(properties: Json, required: list[str]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


SMS = _body(
    {
        **_OPTIONAL,
        "phone_number": {"type": "string", "format": "phone_number"},
        "template_id": UUID_TEXT,
        "sms_sender_id": UUID_TEXT,
    },
    ["phone_number", "template_id"],
)
EMAIL = _body(
    {
        **_OPTIONAL,
        "email_address": {"type": "string", "format": "email_address"},
        "template_id": UUID_TEXT,
        "email_reply_to_id": UUID_TEXT,
        "one_click_unsubscribe_url": {
            "type": ["string", "null"],
            "format": "https_url",
            "validationMessage": "is not a valid https url",
        },
        "sanitise_content_for": {"type": ["array", "null"], "items": {"type": "string"}},
    },
    ["email_address", "template_id"],
)
LETTER = _body(
    {
        "reference": {"type": "string", "maxLength": 1000},
        "personalisation": {"type": "object"},
        "template_id": UUID_TEXT,
    },
    ["template_id", "personalisation"],
)
PRECOMPILED_LETTER = _body(
    {
        "reference": {"type": "string"},
        "content": {"type": "string"},
        "postage": {
            "type": "string",
            "format": "postage",
            "validationMessage": "invalid. It must be either first, second or economy.",
        },
    },
    ["reference", "content"],
)
LIST = {
    "type": "object",
    "properties": {
        "reference": {"type": "string"},
        "status": {"type": "array", "items": {"enum": list(statuses.ALL)}},
        "template_type": {"type": "array", "items": {"enum": TEMPLATE_TYPES}},
        "include_jobs": {"enum": ["true", "True"]},
        "older_than": UUID_TEXT,
    },
    "additionalProperties": False,
}
RECEIVED_TEXTS = {
    "type": "object",
    "properties": {"older_than": UUID_TEXT},
    "additionalProperties": False,
}
TEMPLATES = {
    "type": "object",
    "properties": {"type": {"enum": TEMPLATE_TYPES}},
    "additionalProperties": False,
}
PREVIEW = {"type": ["object", "null"], "properties": {"personalisation": {"type": "object"}}}
NOTIFICATION_ID = {"type": "object", "properties": {"notification_id": UUID_TEXT}}
TEMPLATE_ID = {"type": "object", "properties": {"id": UUID_TEXT}}


def body() -> Any:
    """Return the JSON of the request, whatever its Content-Type; nothing counts as ``{}``.

    Raises BadRequestError for what is not JSON, cannot be written as UTF-8, holds NUL characters
    or is nested deeper than anything a template could show.
    """
    data = request.get_data()
    if not data.strip():
        return {}
    try:
        value = schema.parse(data)
    except Malformed:
        raise BadRequestError("Invalid JSON supplied in POST data") from None
    if not _is_plain(value):
        raise BadRequestError("Invalid JSON supplied in POST data")
    return value or {}


def check(
    value: Any,
    rules: Mapping[str, Any],
    *,
    now: datetime | None = None,
    country: Country | None = None,
) -> Any:
    """Return the value if it fits; else raise ValidationError with each fault once, in order."""
    return checker(rules, now=now, country=country)(value)


def checker(
    rules: Mapping[str, Any], *, now: datetime | None = None, country: Country | None = None
) -> Callable[[Any], Any]:
    """Return a check of many values by the same rules."""
    validator = Draft7Validator(rules, format_checker=_formats(now, country))

    def check_one(value: Any) -> Any:
        faults = validator.iter_errors(value)
        if messages := list(dict.fromkeys(_message(fault) for fault in faults)):
            raise ValidationError(*messages)
        return value

    return check_one


def uuid(rules: Mapping[str, Any], name: str, text: str) -> str:
    """Return an id of the path in its usual form. Raises ValidationError."""
    check({name: text}, rules)
    return str(UUID(text))


def _message(fault: Fault) -> str:
    said = fault.schema.get("validationMessage") if isinstance(fault.schema, Mapping) else None
    text = said or str(fault.cause or fault.message).replace("'", "")
    return f"{fault.path[0]} {text}" if fault.path else text


def _formats(now: datetime | None, country: Country | None) -> FormatChecker:
    formats = FormatChecker(formats=())

    def on_text(name: str, rule: Callable[[str], Any]) -> None:
        def passes(value: object) -> bool:
            if isinstance(value, str):
                rule(value)
            return True

        formats.checks(name, raises=ValueError)(passes)

    on_text("uuid_text", UUID)
    on_text("email_address", email_address.parse)
    on_text("https_url", _https_url)
    on_text("postage", _postage)
    if now is not None:
        on_text("within_a_week", lambda text: moment_ahead(text, now))
    if country is not None:
        on_text("phone_number", lambda text: phones.parse(text, country))
    return formats


def _https_url(text: str) -> None:
    if not text.startswith("https://") or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError


def _postage(text: str) -> None:
    if text not in ("first", "second", "economy"):
        raise ValueError


def moment_ahead(text: str, now: datetime) -> datetime:
    """Return a moment of the coming week. Raises ValueError with the API's message."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "datetime format is invalid. It must be a valid ISO8601 date time format, "
            "https://en.wikipedia.org/wiki/ISO_8601"
        ) from None
    if moment < now:
        raise ValueError("datetime can not be in the past")
    if moment > now + timedelta(days=7):
        raise ValueError("datetime can only be 7 days in the future")
    return moment


def _is_plain(value: Any) -> bool:
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return False
        if isinstance(part, str):
            if "\x00" in part or any("\ud800" <= character <= "\udfff" for character in part):
                return False
        elif isinstance(part, dict):
            waiting += [(member, depth + 1) for pair in part.items() for member in pair]
        elif isinstance(part, list):
            waiting += [(member, depth + 1) for member in part]
    return True
