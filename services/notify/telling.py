"""Calls a service's own address to tell it something; the address was chosen by strangers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.notify.domain import statuses, telling
from services.notify.domain.moments import moment
from services.notify.storage.callbacks import Call
from services.notify.vault import Vault

SECONDS = 5.0
_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Told:
    """What came of one call. answered: the status, or None without an answer."""

    answered: int | None
    error: str | None = None
    is_refused: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the other side took it."""
        return self.answered is not None and 200 <= self.answered < 300

    @property
    def may_help(self) -> bool:
        """Whether to try again."""
        if self.is_refused:
            return False
        return self.answered is None or telling.may_help(self.answered)


def address(vault: Vault, endpoint_id: str, sealed: bytes) -> dict[str, str]:
    """Return where to call: ``url``, ``token``, ``secret``. vault: the service's, without weeks."""
    found: dict[str, str] = vault.open(f"callback_endpoint/{endpoint_id}", sealed)
    return found


def post(
    place: Mapping[str, str],
    callback_id: str,
    body: Mapping[str, Any],
    now: datetime,
    test_hosts: frozenset[str],
) -> Told:
    """Send one callback: bearer token, and the signature of Standard Webhooks."""
    from servicekit import guarded  # its libraries cost memory that a quiet worker need not spend

    content = json.dumps(body, ensure_ascii=False).encode()
    timestamp = int(now.timestamp())
    headers = {
        "Authorization": f"Bearer {place['token']}",
        "Content-Type": "application/json",
        "webhook-id": callback_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": telling.signature(place["secret"], callback_id, timestamp, content),
    }
    try:
        answer = guarded.fetch(
            place["url"],
            method="POST",
            headers=headers,
            body=content,
            test_hosts=test_hosts,
            limit_bytes=_ANSWER_BYTES,
            seconds=SECONDS,
        )
    except guarded.AddressRefused as refused:
        return Told(None, str(refused), is_refused=True)
    except guarded.NotReached as fault:
        return Told(None, str(fault))
    error = None if 200 <= answer.status < 300 else f"answered {answer.status}"
    return Told(answer.status, error)


def content(call: Call, vault: Vault) -> dict[str, Any] | None:
    """Return the body of a callback, or None when what it is about was removed meanwhile."""
    callback, row = call.callback, call.notification
    if callback.kind == "received-text":
        return _received(call, vault)
    if row is None:
        return None
    private = vault.open(f"notification/{row.id}", row.sealed)
    common = {
        "reference": private["reference"],
        "to": private["recipient"],
    }
    if callback.kind == "complaint":
        return {
            "notification_id": row.id,
            "complaint_id": callback.facts["complaint_id"],
            **common,
            "complaint_date": callback.facts["complaint_date"],
        }
    if callback.kind == "returned-letter":
        return {
            "notification_id": row.id,
            "reference": private["reference"],
            "date_sent": moment(row.sent_at or row.created_at),
            "sent_by": None,
            "template_name": call.template_name,
            "template_id": row.template_id,
            "template_version": row.template_version,
            "spreadsheet_file_name": None,
            "spreadsheet_row_number": row.bulk_row,
            "upload_letter_file_name": None,
        }
    return {
        "id": row.id,
        **common,
        "status": statuses.shown(row.channel, callback.facts["status"]),
        "created_at": moment(row.created_at),
        "completed_at": moment(datetime.fromisoformat(callback.facts["completed_at"])),
        "sent_at": moment(row.sent_at),
        "notification_type": row.channel,
        "template_id": row.template_id,
        "template_version": row.template_version,
    }


def _received(call: Call, vault: Vault) -> dict[str, Any] | None:
    row = call.received
    if row is None:
        return None
    private = vault.open(f"received_text/{row.id}", row.sealed)
    return {
        "id": row.id,
        "source_number": private["user_number"],
        "destination_number": private["notify_number"],
        "message": private["content"],
        "date_received": moment(row.created_at),
    }
