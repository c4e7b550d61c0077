"""Turns a checked POST body and a template into the message that will be sent."""

from dataclasses import dataclass, field
from typing import Any

from services.notify.access import Caller
from services.notify.components import components
from services.notify.domain import email_address, phone, simulator, sms
from services.notify.domain import template as rules
from services.notify.domain.sanitise import sanitised
from services.notify.domain.whitespace import trimmed
from services.notify.errors import BadRequestError
from services.notify.storage.tables import Template
from services.notify.vault import Vault

MAX_EMAIL_BYTES = 2_000_000


@dataclass(frozen=True)
class Composed:
    """A message ready to be stored. address: the recipient in the form that is compared."""

    id: str
    channel: str
    template: Template
    reference: str | None
    recipient: str
    address: str
    sender: str
    subject: str | None
    body: str
    is_international: bool = False
    unsubscribe: str | None = None
    sanitised: dict[str, Any] = field(default_factory=dict)

    @property
    def is_smoke_test(self) -> bool:
        """Whether it goes to an address that takes everything and keeps nothing."""
        return self.address in simulator.SMOKE_TEST

    def check_recipient(self, sender: Caller) -> None:
        """Refuse numbers abroad for a service that may not text abroad."""
        if self.is_international and "international_sms" not in sender.service.permissions:
            raise BadRequestError("Cannot send to international mobile numbers")

    def check_length(self) -> None:
        """Refuse what no network or mail server would take."""
        if self.channel == "sms" and (size := sms.length(self.body)) > sms.MAX_LENGTH:
            raise BadRequestError(
                f"Your message is too long. Text messages cannot be longer than {sms.MAX_LENGTH} "
                f"characters. Your message is {size} characters long."
            )
        if self.channel == "email" and (size := len(self.body.encode())) > MAX_EMAIL_BYTES:
            raise BadRequestError(
                f"Your message is too long. Emails cannot be longer than {MAX_EMAIL_BYTES} bytes. "
                f"Your message is {size} bytes."
            )

    def content(self) -> dict[str, Any]:
        """Return the ``content`` of the 201 answer."""
        if self.channel == "sms":
            return {"body": self.body, "from_number": self.sender}
        return {
            "from_email": self.sender,
            "subject": self.subject,
            "body": self.body,
            "one_click_unsubscribe_url": self.unsubscribe,
        }

    def row(self, sender: Caller, vault: Vault) -> dict[str, Any]:
        """Return what is stored: everything personal sealed, the rest by column."""
        private = {
            "recipient": self.recipient,
            "address": self.address,
            "reference": self.reference,
            "from": self.sender,
            "subject": self.subject,
            "body": self.body,
            "unsubscribe": self.unsubscribe,
        }
        return {
            "id": self.id,
            "service_id": sender.service.id,
            "key_type": sender.key_type,
            "channel": self.channel,
            "template_id": self.template.id,
            "template_version": self.template.version,
            "recipient_index": vault.index("recipient", self.address),
            "reference_index": vault.index("reference", self.reference) if self.reference else None,
            "sealed": vault.seal(f"notification/{self.id}", private),
            "fragments": sms.fragments(self.body) if self.channel == "sms" else 0,
        }


def compose_sms(
    sender: Caller, template: Template | None, body: dict[str, Any], *, new_id: str
) -> Composed:
    """Compose a text message. Raises BadRequestError in the contract's order."""
    found = suitable(template, "sms")
    text, _ = filled(found, body.get("personalisation") or {})
    if "sms_sender_id" in body:
        _refuse_unknown("sms_sender_id", body["sms_sender_id"], sender)
    number = phone.parse(body["phone_number"], phone.COUNTRIES[sender.service.country])
    return Composed(
        id=new_id,
        channel="sms",
        template=found,
        reference=body.get("reference"),
        recipient=trimmed(body["phone_number"]),
        address=number.digits,
        sender=sender.service.sms_sender,
        subject=None,
        body=text,
        is_international=number.is_international and not simulator.is_fiction(number.digits),
    )


def compose_email(
    sender: Caller, template: Template | None, body: dict[str, Any], *, new_id: str
) -> Composed:
    """Compose an email. Raises BadRequestError in the contract's order."""
    settings = components().settings
    personalisation, changes = sanitised(
        body.get("personalisation") or {}, body.get("sanitise_content_for") or []
    )
    found = suitable(template, "email")
    text, subject = filled(found, personalisation)
    if "email_reply_to_id" in body:
        _refuse_unknown("email_reply_to_id", body["email_reply_to_id"], sender)
    return Composed(
        id=new_id,
        channel="email",
        template=found,
        reference=body.get("reference"),
        recipient=trimmed(body["email_address"]),
        address=email_address.parse(body["email_address"]),
        sender=settings.smtp_from or f"{sender.service.email_sender}@{settings.email_domain}",
        subject=subject,
        body=text,
        unsubscribe=body.get("one_click_unsubscribe_url"),
        sanitised=changes,
    )


def suitable(template: Template | None, channel: str) -> Template:
    """Return the template if a message of this channel can be made from it."""
    if template is None:
        raise BadRequestError("Template not found")
    if template.type != channel:
        raise BadRequestError(
            f"{template.type} template is not suitable for {channel} notification"
        )
    if template.is_archived:
        raise BadRequestError("Template has been deleted")
    return template


def filled(template: Template, personalisation: dict[str, Any]) -> tuple[str, str | None]:
    """Return a template's body and subject with the values in. Raises BadRequestError."""
    values = rules.insensitive(personalisation)
    lacking = rules.missing(rules.placeholders(template.subject, template.body), values)
    if lacking:
        raise BadRequestError(f"Missing personalisation: {', '.join(lacking)}")
    if template.type == "sms":
        text = sms.readable(rules.fill(template.body, values, rules.in_words))
    else:
        text = rules.fill(template.body, values, rules.bullets).strip()
    if not text.strip():
        raise BadRequestError("Your message is empty.")
    if any(isinstance(value, dict) and "file" in value for value in values.values()):
        _refuse_file(template)
    subject = rules.subject(template.subject, values) if template.subject is not None else None
    return text, subject


def _refuse_file(template: Template) -> None:
    if template.type != "email":
        raise BadRequestError("Can only send a file by email")
    root, service = components().settings.public_url, template.service_id
    raise BadRequestError(
        "Send files by email has not been set up - add contact details for your service at "
        f"{root}/services/{service}/service-settings/send-files-by-email"
    )


def _refuse_unknown(name: str, value: str, sender: Caller) -> None:
    # services have one sender and one reply-to so far, so no id of another can be right
    raise BadRequestError(
        f"{name} {value} does not exist in database for service id {sender.service.id}"
    )
