"""Appending what a custodian asks for: checked, once for each idempotency key, with its proof."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Invalid, NotFound
from services.registers.domain import forms, items
from services.registers.domain.items import Item
from services.registers.problems import (
    ChangedMeanwhile,
    IdempotencyKeyReused,
    RegisterDamaged,
    RegisterLoading,
    UnchangedRecord,
)
from services.registers.storage import appending, heads, log
from services.registers.storage.tables import Answer
from services.registers.storage.trees import Damaged

MAX_BATCH = 1000


@dataclass(frozen=True)
class Expected:
    """What the caller last saw: the size of the log, or the item of the record to change."""

    size: int | None = None
    blob_hash: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """One request to append: one item, or several that are appended together or not at all."""

    register: str
    client_id: str
    idempotency_key: str
    item: Item
    more: Sequence[Item] = ()
    expected: Expected = Expected()

    @property
    def items(self) -> list[Item]:
        """All items in their order."""
        return [self.item, *self.more]

    @property
    def digest(self) -> bytes:
        """What tells this request from another under the same idempotency key."""
        if not self.more:
            return self.item.blob_hash
        return hashlib.sha256(b"".join(item.item_hash for item in self.items)).digest()


def check(register: RowMapping, given: Mapping[str, Any], pointer: str = "/item") -> Item:
    """Return an item in canonical form; raises Invalid with an error for each faulty field."""
    try:
        return items.read_item(heads.key_field(register), heads.fields_of(register), given, pointer)
    except items.Faulty as faulty:
        raise Invalid(
            "Nothing was appended: some fields break a rule; see errors.", errors=faulty.faults
        ) from None


def check_batch(register: RowMapping, given: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Return items in canonical form; raises Invalid with the faults of all of them."""
    found, faults = list[Item](), list[Mapping[str, str]]()
    for index, each in enumerate(given):
        try:
            found.append(check(register, each, f"/items/{index}"))
        except Invalid as invalid:
            faults += invalid.errors
    if faults:
        raise Invalid("Nothing was appended: some fields break a rule; see errors.", errors=faults)
    return found


def append_once(session: Session, asked: Asked, now: int) -> Answer:
    """Append what is asked for, or return what its first append was answered.

    now: seconds since 1970. The lock on the register makes a repeated request wait for the first
    one. Raises NotFound, RegisterLoading, IdempotencyKeyReused, ChangedMeanwhile, Invalid (a
    reference leads nowhere), UnchangedRecord or RegisterDamaged.
    """
    head = heads.lock_register(session, asked.register)
    if head is None:
        raise NotFound("There is no register of this name any more.")
    told = session.get(Answer, (head["id"], asked.client_id, asked.idempotency_key))
    if told is not None:
        if told.blob_hash != asked.digest:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another item. Nothing was appended. "
                "Send a new key for a new entry."
            )
        return told
    if head["loading"] is not None:
        raise RegisterLoading(
            f"A file is being loaded into {asked.register}. Nothing was appended. Try again when "
            "it is in."
        )
    _check_expected(session, head, asked)
    _check_changes(session, asked)
    told = _append(session, head, asked, now)
    session.add(told)
    return told


def _check_expected(session: Session, head: RowMapping, asked: Asked) -> None:
    expected = asked.expected
    if expected.size is not None and expected.size != head["size"]:
        raise ChangedMeanwhile(
            f"The log has {head['size']} entries, not {expected.size}. Nothing was appended. "
            "Read what is new and decide again.",
            **{"total-entries": head["size"]},
        )
    if expected.blob_hash is not None:
        record = log.find_record(session, asked.register, asked.item.key)
        if record is None or record.hash != expected.blob_hash:
            raise ChangedMeanwhile(
                f"The record {asked.item.key} is not what you saw any more. Nothing was appended. "
                "Read it again and decide again.",
                **{"total-entries": head["size"]},
            )


def _check_changes(session: Session, asked: Asked) -> None:
    """Refuse references that lead nowhere and items that change nothing."""
    register, latest = asked.register, dict[str, bytes]()
    for item in asked.items:
        faults = [
            fault
            for fault in appending.missing_references(session, item)
            if not _leads_to(register, item, fault["pointer"], latest)
        ]
        if faults:
            raise Invalid("Nothing was appended: a reference leads nowhere.", errors=faults)
        if item.key not in latest:
            record = log.find_record(session, register, item.key)
            latest[item.key] = b"" if record is None else record.hash
        if latest[item.key] == item.blob_hash:
            raise UnchangedRecord(f"The record {item.key} says this already. Nothing was appended.")
        latest[item.key] = item.blob_hash


def _leads_to(register: str, item: Item, pointer: str, before: Mapping[str, bytes]) -> bool:
    """Tell whether a reference leads to an item that stands earlier in the same batch."""
    return any(
        place == pointer and name == register and key in before
        for place, name, key in item.references
    )


def _append(session: Session, head: RowMapping, asked: Asked, now: int) -> Answer:
    try:
        done = appending.append_entries(session, head, asked.items, now)
    except Damaged as damaged:
        raise RegisterDamaged(f"{damaged} Nothing was appended; the operator must look.") from None
    first = done.number - len(asked.more)
    entries = [
        forms.entry_json(number, done.timestamp, item.key, item.blob_hash)
        for number, item in enumerate(asked.items, start=first)
    ]
    if asked.more:
        body = forms.batch_json(entries, done.number, done.root)
    else:
        content = asked.item.content
        body = forms.appended_json(entries[0], content, done.number, done.root, done.audit_path)
    return Answer(
        register_id=head["id"],
        client_id=asked.client_id,
        idempotency_key=asked.idempotency_key,
        blob_hash=asked.digest,
        number=first,
        body=body,
    )
