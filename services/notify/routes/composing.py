"""Turns a checked POST body into the message that will be sent, in the contract's order."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g
from sqlalchemy.orm import Session

from services.notify import documents, phones
from services.notify.access import Caller
from services.notify.components import components
from services.notify.documents import Prepared
from services.notify.domain import email_address, escaping, files, simulator, sms
from services.notify.domain import template as rules
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.sanitise import sanitised
from services.notify.domain.whitespace import trimmed
from services.notify.errors import BadRequestError
from services.notify.routes.composed import Composed
from services.notify.routes.recipients import check_number, check_recipient
from services.notify.storage import services, templates
from services.notify.storage.services import Sender
from services.notify.storage.tables import Template

MAX_EMAIL_BYTES = 2_000_000


def compose_sms(session: Session, sender: Caller, body: dict[str, Any], new_id: str) -> Composed:
    """Compose a text message."""
    service, country = sender.service, COUNTRIES[sender.service.country]
    template = suitable(session, sender, body, "sms")
    personalisation = body.get("personalisation") or {}
    forms = both_forms(template, personalisation)
    refuse_files(personalisation)
    from_number = service.sms_sender
    if "sms_sender_id" in body:
        sender_id = str(UUID(body["sms_sender_id"]))
        chosen = services.sms_sender(session, service.id, sender_id)
        from_number = _known("sms_sender_id", body, chosen, sender).value
    number = phones.parse(body["phone_number"], country)
    check_recipient(session, sender, number.digits)
    is_international = number.is_international and not simulator.is_fiction(number.digits)
    check_number(session, sender, number, is_international=is_international)
    _check_sms_length(forms.sent)
    return Composed(
        id=new_id,
        channel="sms",
        template_id=template.id,
        template_version=template.version,
        reference=body.get("reference"),
        recipient=trimmed(body["phone_number"]),
        address=number.digits,
        sender=phones.normalised_sender(from_number, country),
        subject=None,
        body=forms.shown,
        sent_body=forms.other_body,
        prefix=f"{service.name['en']}: " if service.prefix_sms else "",
        is_international=is_international,
    )


def compose_email(session: Session, sender: Caller, body: dict[str, Any], new_id: str) -> Composed:
    """Compose an email."""
    settings, service = components().settings, sender.service
    personalisation, changes = sanitised(
        body.get("personalisation") or {}, body.get("sanitise_content_for") or []
    )
    template = suitable(session, sender, body, "email")
    filled(template, personalisation)
    asked = str(UUID(body["email_reply_to_id"])) if "email_reply_to_id" in body else None
    reply_to = services.reply_to(session, service.id, asked)
    if asked is not None:
        _known("email_reply_to_id", body, reply_to, sender)
    address = email_address.parse(body["email_address"])
    check_recipient(session, sender, address)
    values, sent_files = _linked(personalisation, sender, address)
    forms = both_forms(template, values, besides=body.get("sanitise_content_for") or [])
    if (size := len(forms.sent.encode())) > MAX_EMAIL_BYTES:
        raise BadRequestError(
            f"Your message is too long. Emails cannot be longer than {MAX_EMAIL_BYTES} bytes. "
            f"Your message is {size} bytes."
        )
    return Composed(
        id=new_id,
        channel="email",
        template_id=template.id,
        template_version=template.version,
        reference=body.get("reference"),
        recipient=trimmed(body["email_address"]),
        address=address,
        sender=settings.smtp_from or f"{service.email_sender}@{settings.email_domain}",
        subject=forms.shown_subject,
        body=forms.shown,
        sent_body=forms.other_body,
        sent_subject=forms.other_subject,
        unsubscribe=body.get("one_click_unsubscribe_url") or _own_unsubscribe(template, new_id),
        reply_to=reply_to.value if reply_to else None,
        sanitised=changes,
        documents=sent_files,
    )


def _own_unsubscribe(template: Template, notification_id: str) -> str | None:
    """Return the address of our own page for this, when the template asks for one."""
    if not template.has_unsubscribe:
        return None
    proof = components().vault.index("unsubscribe", notification_id)[:32]
    return f"{components().settings.public_url}/notify/unsubscribe/{notification_id}/{proof}"


def suitable(session: Session, sender: Caller, body: dict[str, Any], channel: str) -> Template:
    """Return the template if a message of this channel can be made from it."""
    template = _once(session, sender, str(UUID(body["template_id"])))
    if template is None or template.is_hidden:
        raise BadRequestError("Template not found")
    if template.type != channel:
        raise BadRequestError(
            f"{template.type} template is not suitable for {channel} notification"
        )
    if template.is_archived:
        raise BadRequestError("Template has been deleted")
    return template


def _once(session: Session, sender: Caller, template_id: str) -> Template | None:
    """Return a template; the many messages of one call read it once."""
    known: dict[str, Template | None] = g.setdefault("templates_of_call", {})
    if template_id not in known:
        known[template_id] = templates.find(session, sender.service.id, template_id)
    return known[template_id]


@dataclass(frozen=True)
class Forms:
    """A filled template as it is shown, and as it is sent."""

    shown: str
    shown_subject: str | None
    sent: str
    sent_subject: str | None

    @property
    def other_body(self) -> str | None:
        """Return what is sent where it differs."""
        return self.sent if self.sent != self.shown else None

    @property
    def other_subject(self) -> str | None:
        """Return the subject that is sent where it differs."""
        return self.sent_subject if self.sent_subject != self.shown_subject else None


def both_forms(
    template: Template, personalisation: dict[str, Any], besides: Collection[str] = ()
) -> Forms:
    """Fill a template twice: hidden values are shown to nobody, formatting in values is escaped."""
    shown_values = escaping.hidden(personalisation, template.redacted)
    is_formatted = template.type != "sms" and template.escapes_values
    values = escaping.escaped(personalisation, besides=besides) if is_formatted else personalisation
    shown, shown_subject = filled(template, shown_values)
    if values == shown_values:
        return Forms(shown, shown_subject, shown, shown_subject)
    sent, _ = filled(template, values)
    _, sent_subject = filled(template, personalisation)  # a subject has no formatting
    return Forms(shown, shown_subject, sent, sent_subject)


def filled(template: Template, personalisation: dict[str, Any]) -> tuple[str, str | None]:
    """Return a template's body and subject with the values in. Raises BadRequestError."""
    values = rules.insensitive(personalisation)
    lacking = rules.missing(
        rules.placeholders(template.subject, template.body, template.contact_block), values
    )
    if lacking:
        raise BadRequestError(f"Missing personalisation: {', '.join(lacking)}")
    if template.type == "sms":
        text = sms.readable(rules.fill(template.body, values, rules.in_words))
    else:
        text = rules.fill(template.body, values, rules.bullets).strip()
    if not text.strip():
        raise BadRequestError("Your message is empty.")
    subject = rules.subject(template.subject, values) if template.subject is not None else None
    return text, subject


def _check_sms_length(text: str) -> None:
    if (size := sms.length(text)) > sms.MAX_LENGTH:
        raise BadRequestError(
            f"Your message is too long. Text messages cannot be longer than {sms.MAX_LENGTH} "
            f"characters. Your message is {size} characters long."
        )


def refuse_files(personalisation: dict[str, Any]) -> None:
    """Refuse files in a text or letter."""
    if any(files.is_file(value) for value in personalisation.values()):
        raise BadRequestError("Can only send a file by email")


def _check_set_up(sender: Caller) -> None:
    if sender.service.file_contact is None:
        root, service = components().settings.public_url, sender.service.id
        raise BadRequestError(
            "Send files by email has not been set up - add contact details for your service at "
            f"{root}/services/{service}/service-settings/send-files-by-email"
        )


def _linked(
    personalisation: dict[str, Any], sender: Caller, address: str
) -> tuple[dict[str, Any], tuple[Prepared, ...]]:
    """Return the values with links where files were, and the files."""
    root, service_id = components().settings.public_url, sender.service.id
    values, prepared = dict(personalisation), []
    for name, value in personalisation.items():
        if not files.is_file(value):
            continue
        _check_set_up(sender)
        try:
            file = files.read(value)
        except files.InvalidFile as fault:
            raise BadRequestError(str(fault)) from None
        if address in simulator.SMOKE_TEST:
            values[name] = documents.simulated_link(service_id, root)
            continue
        ready = documents.prepare(file, service_id=service_id, recipient=address, root=root)
        values[name] = ready.link
        prepared.append(ready)
    return values, tuple(prepared)


def _known(name: str, body: dict[str, Any], found: Sender | None, sender: Caller) -> Sender:
    if found is None:
        raise BadRequestError(
            f"{name} {body[name]} does not exist in database for service id {sender.service.id}"
        )
    return found
