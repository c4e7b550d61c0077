"""Templates are written, changed, archived, looked over, and tried out."""

from dataclasses import asdict
from typing import Any
from uuid import uuid4

from flask import Response, jsonify

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key_for
from services.notify.components import components
from services.notify.domain import lint
from services.notify.domain import template as rules
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.moments import moment
from services.notify.errors import BadRequestError, NoResultFound, ValidationError
from services.notify.routes.blueprint import v2
from services.notify.routes.composing import compose_email, compose_sms
from services.notify.routes.letters import compose_letter
from services.notify.routes.posting import accept, check_permission
from services.notify.routes.recipients import check_rate
from services.notify.routes.templates import written
from services.notify.storage import templates
from services.notify.storage.tables import Template

_TEXT = {"type": "string", "maxLength": 100_000}
_WORDS: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 255},
    "subject": {"type": ["string", "null"], "maxLength": 1000},
    "body": {"type": "string", "minLength": 1, "maxLength": 100_000},
    "postage": {
        "type": ["string", "null"],
        "format": "postage",
        "validationMessage": "invalid. It must be either first, second or economy.",
    },
    "letter_contact_block": {"type": ["string", "null"], "maxLength": 1000},
    "escapes_values": {"type": "boolean"},
    "has_unsubscribe": {"type": "boolean"},
    "redacted": {"type": "array", "items": {"type": "string", "maxLength": 255}, "maxItems": 50},
}
NEW = {
    "type": "object",
    "properties": {"type": {"enum": schemas.TEMPLATE_TYPES}} | _WORDS,
    "required": ["name", "type", "body"],
    "additionalProperties": False,
}
CHANGE = {
    "type": "object",
    "properties": _WORDS,
    "minProperties": 1,
    "additionalProperties": False,
}
LINT = {
    "type": "object",
    "properties": {
        "type": {"enum": schemas.TEMPLATE_TYPES},
        "subject": {"type": ["string", "null"], "maxLength": 1000},
        "body": _TEXT,
        "has_unsubscribe": {"type": "boolean"},
    },
    "required": ["type", "body"],
    "additionalProperties": False,
}
_COMPOSE = {"sms": compose_sms, "email": compose_email, "letter": compose_letter}
_COLUMNS = {"letter_contact_block": "contact_block"}


@v2.post("/v2/templates")
@notify_key_for("templates")
def add_template() -> tuple[Response, int]:
    """Write a new template."""
    body = schemas.check(schemas.body(), NEW)
    parts, sender = components(), caller()
    new = {
        "id": str(uuid4()),
        "version": 1,
        "service_id": sender.service.id,
        "is_archived": False,
        "is_hidden": False,
        "subject": None,
        "postage": "second" if body["type"] == "letter" else None,
        "contact_block": None,
        "escapes_values": True,
        "has_unsubscribe": False,
        "redacted": [],
        "created_by": f"{sender.service.email_sender}@{parts.settings.email_domain}",
        "created_at": parts.clock.now(),
    } | _columns(body)
    findings = _refuse_errors(new)
    with parts.database.transaction() as session:
        templates.add(session, **new)
    return jsonify(_answer(new, findings)), 201


@v2.patch("/v2/template/<template_id>")
@notify_key_for("templates")
def change_template(template_id: str) -> Response:
    """Write a new version of a template; messages keep the version that they were made with."""
    wanted = schemas.uuid(schemas.TEMPLATE_ID, "id", template_id)
    body = schemas.check(schemas.body(), CHANGE)
    parts, sender = components(), caller()
    with parts.database.transaction() as session:
        present = templates.lock(session, sender.service.id, wanted)
        if present is None or present.is_hidden:
            raise NoResultFound
        if present.is_archived:
            raise BadRequestError("Template has been deleted")
        new = _next(present, sender) | _columns(body)
        findings = _refuse_errors(new)
        templates.add(session, **new)
    return jsonify(_answer(new, findings))


@v2.delete("/v2/template/<template_id>")
@notify_key_for("templates")
def archive_template(template_id: str) -> tuple[str, int]:
    """Archive a template: it can still be read, and nothing can be sent with it."""
    wanted = schemas.uuid(schemas.TEMPLATE_ID, "id", template_id)
    sender = caller()
    with components().database.transaction() as session:
        present = templates.lock(session, sender.service.id, wanted)
        if present is None or present.is_hidden:
            raise NoResultFound
        if not present.is_archived:
            templates.add(session, **_next(present, sender) | {"is_archived": True})
    return "", 204


@v2.post("/v2/templates/lint")
@notify_key_for("templates")
def lint_template() -> Response:
    """Look a text over without saving it."""
    body = schemas.check(schemas.body(), LINT)
    found = lint.look(
        body["type"],
        body.get("subject"),
        body["body"],
        has_unsubscribe=body.get("has_unsubscribe", False),
    )
    return jsonify(findings=[asdict(each) for each in found])


@v2.post("/v2/template/<template_id>/test")
@notify_key_for("templates")
def send_test(template_id: str) -> tuple[Response, int]:
    """Send a template with example values to somebody of the team or guest list."""
    wanted = schemas.uuid(schemas.TEMPLATE_ID, "id", template_id)
    parts, sender = components(), caller()
    with parts.database.snapshot() as session:
        template = templates.find(session, sender.service.id, wanted)
    if template is None:
        raise NoResultFound
    check_rate(sender, template.type)
    check_permission(sender, template.type)
    body = schemas.body()
    if not isinstance(body, dict):
        raise ValidationError("body is not of type object")
    given = body.get("personalisation") or {}
    if not isinstance(given, dict):
        raise ValidationError("personalisation is not of type object")
    names = rules.placeholders(template.subject, template.body, template.contact_block)
    examples = {name: f"<{name}>" for name in names}
    wish = body | {"template_id": wanted, "personalisation": examples | given}
    rules_of = {"sms": schemas.SMS, "email": schemas.EMAIL, "letter": schemas.LETTER}
    checked = schemas.check(wish, rules_of[template.type], **_context(sender))
    # only people who know of it get tests, whatever the key may do else
    key_type = "test" if template.type == "letter" else "team"
    as_team = Caller(sender.service, key_type, sender.key_id)
    return accept(as_team, template.type, checked, _COMPOSE[template.type])


def _context(sender: Caller) -> dict[str, Any]:
    return {"now": components().clock.now(), "country": COUNTRIES[sender.service.country]}


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    return {_COLUMNS.get(name, name): value for name, value in body.items()}


def _next(present: Template, sender: Caller) -> dict[str, Any]:
    columns = {c.name: getattr(present, c.name) for c in Template.__table__.columns}
    return columns | {
        "version": present.version + 1,
        "created_at": components().clock.now(),
        "created_by": f"{sender.service.email_sender}@{components().settings.email_domain}",
    }


def _refuse_errors(new: dict[str, Any]) -> list[lint.Finding]:
    """Return what is worth a look; refuse what could never be sent."""
    is_letter = new["type"] == "letter"
    if new["type"] == "sms" and new["subject"]:
        raise ValidationError("subject is not for text messages")
    if not is_letter and (new["contact_block"] or new["postage"]):
        raise ValidationError("postage and letter_contact_block are for letters")
    findings = lint.look(
        new["type"], new["subject"], new["body"], has_unsubscribe=new["has_unsubscribe"]
    )
    if errors := [each.message for each in findings if each.level == "error"]:
        raise BadRequestError(*errors)
    names = {rules.key(n) for n in rules.placeholders(new["subject"], new["body"])}
    if unknown := [name for name in new["redacted"] if rules.key(name) not in names]:
        raise ValidationError(f"redacted names no placeholder: {', '.join(unknown)}")
    return findings


def _answer(new: dict[str, Any], findings: list[lint.Finding]) -> dict[str, Any]:
    row = Template(**new)
    with components().database.snapshot() as session:
        made = templates.first_made(session, [row.id]).get(row.id, row.created_at)
    return written(row, made) | {
        "escapes_values": row.escapes_values,
        "has_unsubscribe": row.has_unsubscribe,
        "redacted": row.redacted,
        "archived": row.is_archived,
        "saved_at": moment(row.created_at),
        "findings": [asdict(each) for each in findings],
    }
