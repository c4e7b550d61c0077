"""Letters: composed from a template, taken as a finished PDF, and read back as a PDF."""

import base64
import binascii
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from services.notify import schemas
from services.notify.access import Caller, caller, notify_key
from services.notify.components import components
from services.notify.domain import address as addresses
from services.notify.domain import qr
from services.notify.domain import template as rules
from services.notify.domain.countries import COUNTRIES
from services.notify.errors import (
    BadRequestError,
    NoResultFound,
    PdfNotReadyError,
    ValidationError,
)
from services.notify.routes.blueprint import v2
from services.notify.routes.composed import Composed
from services.notify.routes.composing import both_forms, refuse_files, suitable
from services.notify.storage import contents, templates
from services.notify.storage import notifications as stored


def compose_letter(session: Session, sender: Caller, body: dict[str, Any], new_id: str) -> Composed:
    """Compose a letter from a template."""
    service, personalisation = sender.service, body["personalisation"]
    template = suitable(session, sender, body, "letter")
    forms = both_forms(template, personalisation)
    refuse_files(personalisation)
    try:
        place = addresses.parse(
            personalisation,
            COUNTRIES[service.country],
            abroad="international_letters" in service.permissions,
        )
    except addresses.InvalidAddress as fault:
        raise ValidationError(str(fault)) from None
    values = rules.insensitive(personalisation)
    block = rules.fill(template.contact_block or "", values, rules.bullets) or None
    check_printable(forms.sent, forms.sent_subject, block, *place.lines)
    return Composed(
        id=new_id,
        channel="letter",
        template_id=template.id,
        template_version=template.version,
        reference=body.get("reference"),
        recipient=None,
        address=place.key,
        sender=service.name["en"],
        subject=forms.shown_subject,
        body=forms.shown,
        sent_body=forms.other_body,
        sent_subject=forms.other_subject,
        postage=place.postage_abroad or template.postage or "second",
        contact_block=block,
        lines=place.lines,
        written_lines=tuple(addresses.written(personalisation)),
    )


def check_printable(*texts: str | None) -> None:
    """Refuse a QR code that no phone could read, and characters that no font here has."""
    from services.notify.rendering import letter  # its library costs 9 MB

    joined = "\n".join(filter(None, texts))
    for link in qr.links(joined):
        if (size := len(link.encode())) > qr.MAX_BYTES:
            raise ValidationError(qr.TOO_LONG, data=link, num_bytes=size, max_bytes=qr.MAX_BYTES)
    if lacking := letter.unprintable(joined):
        raise BadRequestError(
            f"Letters cannot be printed with these characters here: {' '.join(lacking[:20])}"
        )


def take_precompiled(
    session: Session, sender: Caller, body: dict[str, Any], new_id: str
) -> Composed:
    """Take a finished letter as it is; the worker judges its pages."""
    try:
        pdf = base64.b64decode("".join(body["content"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError("Cannot decode letter content (invalid base64 encoding)") from None
    template_id, version = templates.precompiled(sender.service.id)
    return Composed(
        id=new_id,
        channel="letter",
        template_id=template_id,
        template_version=version,
        reference=body["reference"],
        recipient=None,
        address=f"precompiled/{new_id}",
        sender=sender.service.name["en"],
        subject=templates.PRECOMPILED,
        body="",
        postage=body.get("postage", "second"),
        pdf=pdf,
    )


@v2.get("/v2/notifications/<notification_id>/pdf")
@notify_key
def get_pdf(notification_id: str) -> Response:
    """Return a letter as it was, or will be, printed."""
    wanted = schemas.uuid(schemas.NOTIFICATION_ID, "notification_id", notification_id)
    sender = caller()
    with components().database.snapshot() as session:
        row = stored.find(session, sender.service.id, wanted)
        pages = contents.letter(session, wanted) if row else None
    if row is None:
        raise NoResultFound
    if row.channel != "letter":
        raise BadRequestError("Notification is not a letter")
    if row.status == "virus-scan-failed":
        raise BadRequestError("File did not pass the virus scan")
    if row.status == "technical-failure":
        raise BadRequestError("PDF not available for letters in status technical-failure")
    if row.status == "pending-virus-check" or pages is None:
        raise PdfNotReadyError
    pdf = sender.vault.open_bytes(f"letter/{wanted}", pages.sealed_pdf)
    return Response(pdf, mimetype="application/pdf")
