"""Appending what a custodian asks for: checked, once for each idempotency key, with its proof."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Invalid, NotFound
from services.registers.domain import forms, items
from services.registers.domain.items import Item
from services.registers.problems import IdempotencyKeyReused, UnchangedRecord
from services.registers.storage import appending, heads, log
from services.registers.storage.tables import Answer


@dataclass(frozen=True)
class Asked:
    """One request to append."""

    register: str
    client_id: str
    idempotency_key: str
    item: Item


def check(register: RowMapping, given: Mapping[str, Any]) -> Item:
    """Return an item in canonical form; raises Invalid with an error for each faulty field."""
    try:
        return items.read_item(register["name"], heads.fields_of(register), given)
    except items.Faulty as faulty:
        raise Invalid(
            "Nothing was appended: some fields break a rule; see errors.", errors=faulty.faults
        ) from None


def append_once(session: Session, asked: Asked, now: int) -> Answer:
    """Append an item, or return what its first append was answered.

    now: seconds since 1970. The lock on the register makes a repeated request wait for the first
    one. Raises NotFound, IdempotencyKeyReused, Invalid (a reference leads nowhere) or
    UnchangedRecord.
    """
    head = heads.lock_register(session, asked.register)
    if head is None:
        raise NotFound("There is no register of this name any more.")
    told = session.get(Answer, (head["id"], asked.client_id, asked.idempotency_key))
    if told is not None:
        if told.blob_hash != asked.item.blob_hash:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another item. Nothing was appended. "
                "Send a new key for a new entry."
            )
        return told
    if faults := appending.missing_references(session, asked.item):
        raise Invalid("Nothing was appended: a reference leads nowhere.", errors=faults)
    record = log.find_record(session, asked.register, asked.item.key)
    if record is not None and record.hash == asked.item.blob_hash:
        raise UnchangedRecord(
            f"The record {asked.item.key} says this already. Nothing was appended."
        )
    told = _append(session, head, asked, now)
    session.add(told)
    return told


def _append(session: Session, head: RowMapping, asked: Asked, now: int) -> Answer:
    item = asked.item
    done = appending.append_entries(session, head, [item], now)
    entry = forms.entry_json(done.number, done.timestamp, item.key, item.blob_hash)
    return Answer(
        register_id=head["id"],
        client_id=asked.client_id,
        idempotency_key=asked.idempotency_key,
        blob_hash=item.blob_hash,
        number=done.number,
        body=forms.appended_json(entry, item.content, done.number, done.root, done.audit_path),
    )
