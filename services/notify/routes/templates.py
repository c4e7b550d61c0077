"""GET /v2/template, /v2/templates and the preview of a template."""

from datetime import datetime
from typing import Any

from flask import Response, jsonify, request

from services.notify import schemas
from services.notify.access import caller, notify_key
from services.notify.components import components
from services.notify.domain import template as rules
from services.notify.domain.moments import moment
from services.notify.errors import NoResultFound
from services.notify.rendering import email
from services.notify.routes.blueprint import v2
from services.notify.routes.composing import both_forms
from services.notify.storage import templates
from services.notify.storage.tables import Template

_MAX_VERSION = 2**31 - 1  # beyond it no version exists, and no database could look for it


@v2.get("/v2/template/<template_id>")
@notify_key
def get_template(template_id: str) -> Response:
    """Return the present version of a template."""
    return jsonify(written(*_find(template_id)))


@v2.get("/v2/template/<template_id>/version/<int:version>")
@notify_key
def get_template_version(template_id: str, version: int) -> Response:
    """Return one version of a template."""
    return jsonify(written(*_find(template_id, min(version, _MAX_VERSION))))


@v2.get("/v2/templates")
@notify_key
def list_templates() -> Response:
    """Return the present versions of the service's templates."""
    query = schemas.check(request.args.to_dict(), schemas.TEMPLATES)
    with components().database.snapshot() as session:
        found = templates.newest(session, caller().service.id, query.get("type"))
        made = templates.first_made(session, [template.id for template in found])
    return jsonify(templates=[written(template, made[template.id]) for template in found])


@v2.post("/v2/template/<template_id>/preview")
@notify_key
def preview_template(template_id: str) -> Response:
    """Return a template with values put in, and an email's HTML."""
    wanted = schemas.uuid(schemas.TEMPLATE_ID, "id", template_id)
    body = schemas.check(schemas.body(), schemas.PREVIEW)
    template, _ = _find(wanted)
    sender = caller().service.name["en"]
    forms = both_forms(template, body.get("personalisation") or {})
    subject = forms.sent_subject
    return jsonify(
        id=template.id,
        type=template.type,
        version=template.version,
        body=forms.shown,
        html=email.document(forms.sent, subject, sender) if template.type == "email" else None,
        subject=forms.shown_subject,
        postage=template.postage,
    )


def _find(template_id: str, version: int | None = None) -> tuple[Template, datetime]:
    """Return a template and when its first version was made."""
    wanted = schemas.uuid(schemas.TEMPLATE_ID, "id", template_id)
    with components().database.snapshot() as session:
        template = templates.find(session, caller().service.id, wanted, version)
        if template is None:
            raise NoResultFound
        return template, templates.first_made(session, [wanted])[wanted]


def written(template: Template, first_made: datetime) -> dict[str, Any]:
    """Write a template as the API shows it."""
    names = rules.placeholders(template.subject, template.body, template.contact_block)
    return {
        "id": template.id,
        "name": template.name,
        "type": template.type,
        "created_at": moment(first_made),
        "updated_at": moment(template.created_at) if template.version > 1 else None,
        "created_by": template.created_by,
        "version": template.version,
        "body": template.body,
        "subject": template.subject,
        "personalisation": {name: {"required": True} for name in names},
        "postage": template.postage,
        "letter_contact_block": template.contact_block,
    }
