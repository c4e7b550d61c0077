"""Appending what a custodian asks for: checked, once for each idempotency key, with its proof."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Invalid, NotFound
from services.registers.domain import canonical, forms, governance, items
from services.registers.domain.items import Item
from services.registers.problems import (
    ChangedMeanwhile,
    IdempotencyKeyReused,
    RegisterArchived,
    RegisterDamaged,
    RegisterLoading,
    ReviewNeeded,
    UnchangedRecord,
)
from services.registers.storage import appending, heads, log, system
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
    reason: str = ""  # why a record is corrected; it stands in the system log
    reviewed: bool = False  # a second person has looked

    @property
    def items(self) -> list[Item]:
        """All items in their order."""
        return [self.item, *self.more]

    @property
    def digest(self) -> bytes:
        """What tells this request from another under the same idempotency key."""
        if not self.more and not self.reason:
            return self.item.blob_hash
        hashes = b"".join(item.item_hash for item in self.items)
        return hashlib.sha256(hashes + self.reason.encode()).digest()


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
    one. Raises NotFound, RegisterLoading, RegisterArchived, ReviewNeeded, IdempotencyKeyReused,
    ChangedMeanwhile, Invalid (a reference leads nowhere), UnchangedRecord or RegisterDamaged.
    """
    head = heads.lock_register(session, asked.register)
    if head is None:
        raise NotFound("There is no register of this name any more.")
    told = told_before(session, head["id"], asked.client_id, asked.idempotency_key, asked.digest)
    if told is not None:
        return told
    check_open(head)
    if governance.needs_review(head):
        raise ReviewNeeded(
            f"Changes of {asked.register} need a second person. Nothing was appended. Send the "
            "request again: it becomes a proposal."
        )
    fit(session, head, asked)
    told = append(session, head, asked, now)
    session.add(told)
    return told


def told_before(
    session: Session, register_id: int, client: str, key: str, digest: bytes
) -> Answer | None:
    """Return what a request was answered before, if it was; raises IdempotencyKeyReused."""
    told = session.get(Answer, (register_id, client, key))
    if told is not None and told.blob_hash != digest:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for another request. Nothing was changed. "
            "Send a new key for a new request."
        )
    return told


def check_open(head: RowMapping) -> None:
    """Refuse what a register does not take now: it is being loaded, or it is archived."""
    if head["loading"] is not None:
        raise RegisterLoading(
            f"A file is being loaded into {head['name']}. Nothing was changed. Try again when "
            "it is in."
        )
    if head["state"] == governance.ARCHIVED:
        raise RegisterArchived(
            f"The register {head['name']} is archived. Nothing was appended. Its custodian can "
            "publish it again."
        )


def fit(session: Session, head: RowMapping, asked: Asked) -> None:
    """Check items against the locked register as it is now; raises as ``append_once`` does."""
    _check_expected(session, head, asked)
    _check_changes(session, head, asked)


def _check_expected(session: Session, head: RowMapping, asked: Asked) -> None:
    expected = asked.expected
    if expected.size is not None and expected.size != head["size"]:
        raise ChangedMeanwhile(
            f"The log has {head['size']} entries, not {expected.size}. Nothing was appended. "
            "Read what is new and decide again.",
            **{"total-entries": head["size"]},
        )
    if expected.blob_hash is not None:
        record = log.record_at(session, head["id"], asked.item.key, head["size"])
        if record is None or record.hash != expected.blob_hash:
            raise ChangedMeanwhile(
                f"The record {asked.item.key} is not what you saw any more. Nothing was appended. "
                "Read it again and decide again.",
                **{"total-entries": head["size"]},
            )


def _check_changes(session: Session, head: RowMapping, asked: Asked) -> None:
    """Refuse references that lead nowhere and items that change nothing."""
    register, latest = asked.register, dict[str, bytes]()
    for item in asked.items:
        faults = [
            fault
            for fault in appending.missing_references(session, item, register)
            if not _leads_to(register, item, fault["pointer"], latest)
        ]
        if faults:
            raise Invalid("Nothing was appended: a reference leads nowhere.", errors=faults)
        if item.key not in latest:
            record = log.record_at(session, head["id"], item.key, head["size"])
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


def append(session: Session, head: RowMapping, asked: Asked, now: int) -> Answer:
    """Append items that were checked, and say why in the system log where a reason was given."""
    try:
        done = appending.append_entries(session, head, asked.items, now)
    except Damaged as damaged:
        raise RegisterDamaged(f"{damaged} Nothing was appended; the operator must look.") from None
    first = done.number - len(asked.more)
    if asked.reason:
        said = [
            (f"correction:{number}", canonical.item_json(_correction(asked, item.key, number)))
            for number, item in enumerate(asked.items, start=first)
        ]
        system.append(session, head, said, done.timestamp)
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


def _correction(asked: Asked, key: str, number: int) -> dict[str, str]:
    return {
        "entry-number": str(number),
        "key": key,
        "reason": asked.reason,
        "review": "two-persons" if asked.reviewed else "none",
    }
