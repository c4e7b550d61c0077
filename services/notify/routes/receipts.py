"""What providers report: receipts, complaints, returned letters, and texts that came in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from flask import Response, jsonify
from sqlalchemy.orm import Session

from servicekit import schema
from services.notify import simulated, suppressing
from services.notify.components import components
from services.notify.domain import reasons
from services.notify.domain.moments import moment
from services.notify.routes.blueprint import own
from services.notify.routes.provider_key import provider_key
from services.notify.storage import callbacks, contents, inbox, numbers, settling, suppressions
from services.notify.storage.settling import Change
from services.notify.storage.tables import Notification, Service

_FINAL = ("delivered", "temporary-failure", "permanent-failure", "technical-failure")
_TEXT = {"type": "string", "maxLength": 100, "pattern": "^[ -~]*$"}
RECEIPTS = {
    "type": "object",
    "required": ["receipts"],
    "additionalProperties": False,
    "properties": {
        "receipts": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["reference", "status"],
                "additionalProperties": False,
                "properties": {
                    "reference": {"type": "string", "maxLength": 100},
                    "status": {"enum": [*_FINAL, "pending", "complaint", "returned"]},
                    "code": _TEXT,
                    "complaint_id": _TEXT,
                },
            },
        }
    },
}
RECEIVED = {
    "type": "object",
    "required": ["texts"],
    "additionalProperties": False,
    "properties": {
        "texts": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["to", "from", "text"],
                "additionalProperties": False,
                "properties": {
                    "id": _TEXT,
                    "to": {"type": "string", "maxLength": 30},
                    "from": {"type": "string", "maxLength": 30},
                    "text": {"type": "string", "maxLength": 2000, "pattern": "^[^\\u0000]*$"},
                },
            },
        }
    },
}
# ހުއްޓާ: stop
_STOP = frozenset({"stop", "unsubscribe", "end", "ހުއްޓާ"})
_START = frozenset({"start", "ފަށާ"})


@own.post("/notify/receipts/<provider>")
@provider_key
def take_receipts(provider: str) -> Response:
    """Write down what became of messages; a repetition changes nothing."""
    receipts = schema.json_body(RECEIPTS)["receipts"]
    parts = components()
    now = parts.clock.now()
    with parts.database.transaction() as session:
        known = settling.handed_to(session, provider, [each["reference"] for each in receipts])
        taken = _take(session, provider, [r for r in receipts if r["reference"] in known], now)
        taken += _take_complaints(session, known, receipts, now)
        taken += _take_returned(session, known, receipts, now)
    return jsonify(taken=taken, ignored=len(receipts) - taken)


def _take(
    session: Session, provider: str, receipts: Sequence[dict[str, Any]], now: datetime
) -> int:
    changes: dict[str, Change] = {}
    for each in receipts:
        status, code = each["status"], each.get("code")
        earlier = changes.get(each["reference"])
        if earlier is not None and earlier.status in _FINAL:
            continue  # reports may overtake each other
        if status in (*_FINAL, "pending"):
            reason = reasons.of_receipt(status, code)
            changes[each["reference"]] = Change(each["reference"], status, reason, code, provider)
    changed = settling.change(session, list(changes.values()), now)
    final = [id_ for id_ in changed if changes[id_].status in _FINAL]
    settling.close_jobs(session, final, now)
    delivered = [id_ for id_ in final if changes[id_].status == "delivered"]
    if provider in dict(simulated.NAMES):  # made-up phones: their owners open the inbox
        inbox.arrive(session, delivered, now)
    bounced = [id_ for id_, each in changes.items() if each.status == "permanent-failure"]
    _take_bounces(session, bounced, changes, now)
    return len(changed)


def _take_bounces(
    session: Session, ids: list[str], changes: dict[str, Change], now: datetime
) -> None:
    """Suppress recipients of emails that came back, also after a server had taken them."""
    emails = [row for row in settling.found(session, ids).values() if row.channel == "email"]
    late = [changes[row.id] for row in emails if row.status == "delivered"]
    settling.change(session, late, now, also_from=("delivered",))
    suppressing.bounced(session, components().vault, emails, suppressing.BOUNCED, now)


def _take_complaints(
    session: Session,
    known: dict[str, Notification],
    receipts: Sequence[dict[str, Any]],
    now: datetime,
) -> int:
    """Tell the sender, and write to this recipient no more."""
    complaints = {
        each["reference"]: each.get("complaint_id") or str(uuid4())
        for each in receipts
        if each["status"] == "complaint" and each["reference"] in known
    }
    rows = [known[reference] for reference in complaints]
    news = [
        (
            row.service_id,
            row.id,
            {"complaint_id": complaints[row.id], "complaint_date": moment(now)},
        )
        for row in rows
    ]
    callbacks.tell(session, "complaint", news, now)
    suppressing.bounced(session, components().vault, rows, suppressing.COMPLAINED, now)
    return len(rows)


def _take_returned(
    session: Session,
    known: dict[str, Notification],
    receipts: Sequence[dict[str, Any]],
    now: datetime,
) -> int:
    letters = [
        Change(each["reference"], "returned-letter", "returned", each.get("code"))
        for each in receipts
        if each["status"] == "returned"
        and each["reference"] in known
        and known[each["reference"]].channel == "letter"
    ]
    changed = settling.change(session, letters, now, also_from=("delivered",))
    settling.close_jobs(session, changed, now)
    news: list[tuple[str, str | None, dict[str, Any]]] = [
        (known[id_].service_id, id_, {"returned_at": moment(now)}) for id_ in changed
    ]
    callbacks.tell(session, "returned-letter", news, now)
    return len(changed)


@own.post("/notify/received/<provider>")
@provider_key
def take_texts(provider: str) -> Response:
    """Keep texts that came in at a service's number, and tell the service."""
    texts = schema.json_body(RECEIVED)["texts"]
    parts = components()
    now = parts.clock.now()
    taken = 0
    with parts.database.transaction() as session:
        for text in texts:
            service = numbers.service_of(session, text["to"])
            if service is not None and "inbound_sms" in service.permissions:
                taken += _keep(session, provider, service, text, now)
    return jsonify(taken=taken, ignored=len(texts) - taken)


def _keep(
    session: Session, provider: str, service: Service, text: dict[str, str], now: datetime
) -> bool:
    vault = components().vault
    family = uuid5(NAMESPACE_URL, f"urn:atoll:notify:received:{provider}")
    text_id = str(uuid5(family, text["id"]) if "id" in text else uuid4())
    private = {
        "notify_number": text["to"],
        "user_number": text["from"],
        "content": text["text"],
    }
    dated = vault.of(service.id, service.sealed_key, service.keyring)
    is_new = contents.add_received_once(
        session,
        id=text_id,
        service_id=service.id,
        sealed=dated.seal(f"received_text/{text_id}", private),
        created_at=now,
    )
    if not is_new:
        return False
    callbacks.tell(session, "received-text", [(service.id, None, {"received": text_id})], now)
    word = text["text"].strip().lower()
    sender = text["from"].lstrip("+")
    if word in _STOP:
        suppressing.suppress(session, vault, service, sender, "sms", suppressing.STOPPED, now)
    elif word in _START:
        index = vault.index("recipient", sender)
        suppressions.remove_recipient(session, service.id, index, suppressing.STOPPED)
    return True
