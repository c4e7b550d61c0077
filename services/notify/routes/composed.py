"""A message that passed every check: what is answered, and what is stored of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.notify.access import Caller
from services.notify.documents import Prepared
from services.notify.domain import simulator, sms
from services.notify.domain.costs import ABROAD_MULTIPLIER
from services.notify.domain.moments import moment
from services.notify.vault import Vault


@dataclass(frozen=True)
class Composed:
    """A message ready to be stored. address: the recipient in the form that is compared."""

    id: str
    channel: str
    template_id: str
    template_version: int
    reference: str | None
    recipient: str | None
    address: str
    sender: str
    subject: str | None
    body: str
    prefix: str = ""
    is_international: bool = False
    unsubscribe: str | None = None
    reply_to: str | None = None
    sanitised: dict[str, Any] = field(default_factory=dict)
    documents: tuple[Prepared, ...] = ()
    postage: str | None = None
    contact_block: str | None = None
    lines: tuple[str, ...] = ()
    written_lines: tuple[str | None, ...] = ()
    pdf: bytes | None = None
    scheduled_for: datetime | None = None
    sent_body: str | None = None
    sent_subject: str | None = None

    @property
    def is_smoke_test(self) -> bool:
        """Whether it goes to an address that takes everything and keeps nothing."""
        return self.address in simulator.SMOKE_TEST

    @property
    def counted_as(self) -> tuple[str, ...]:
        """Return the daily counts that it adds to."""
        return (self.channel, "international_sms") if self.is_international else (self.channel,)

    def first_status(self, sender: Caller) -> str:
        """Return the status that it begins with."""
        if self.pdf is not None:
            return "pending-virus-check"
        return "sending" if self.channel == "letter" and sender.key_type == "test" else "created"

    def answer(self, sender: Caller, root: str) -> dict[str, Any]:
        """Return the 201 answer."""
        if self.pdf is not None:
            return {"id": self.id, "reference": self.reference, "postage": self.postage}
        template = f"{root}/services/{sender.service.id}/templates/{self.template_id}"
        answer: dict[str, Any] = {
            "id": self.id,
            "reference": self.reference,
            "uri": f"{root}/v2/notifications/{self.id}",
            "template": {
                "id": self.template_id,
                "version": self.template_version,
                "uri": template,
            },
            "scheduled_for": moment(self.scheduled_for),
            "content": self._content(),
        }
        if self.channel == "email":
            answer["sanitised_content"] = self.sanitised
        return answer

    def _content(self) -> dict[str, Any]:
        if self.channel == "sms":
            return {"body": self.body, "from_number": self.sender}
        if self.channel == "letter":
            return {"subject": self.subject, "body": self.body}
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
            "prefix": self.prefix,
            "unsubscribe": self.unsubscribe,
            "reply_to": self.reply_to,
            "lines": self.lines,
            "written_lines": self.written_lines,
            "contact_block": self.contact_block,
        }
        # what is sent where it differs from what is shown: escaped or redacted values
        private |= {"sent_body": self.sent_body} if self.sent_body is not None else {}
        private |= {"sent_subject": self.sent_subject} if self.sent_subject is not None else {}
        sent = self.prefix + (self.sent_body or self.body)
        return {
            "id": self.id,
            "service_id": sender.service.id,
            "key_type": sender.key_type,
            "channel": self.channel,
            "status": self.first_status(sender),
            "template_id": self.template_id,
            "template_version": self.template_version,
            "recipient_index": vault.index("recipient", self.address),
            "reference_index": vault.index("reference", self.reference) if self.reference else None,
            "sealed": vault.seal(f"notification/{self.id}", private),
            "fragments": sms.fragments(sent) if self.channel == "sms" else 0,
            "rate_multiplier": ABROAD_MULTIPLIER if self.is_international else 1,
            "postage": self.postage,
            "scheduled_for": self.scheduled_for,
        }
