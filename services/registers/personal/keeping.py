"""Entering, changing and erasing personal records: commitments into the log, values beside it."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Invalid, NotFound
from services.registers.domain import commitments, forms, items, moments
from services.registers.domain.items import Field, Item, Value
from services.registers.personal.declared import Personal
from services.registers.personal.vault import PersonalVault
from services.registers.problems import IdempotencyKeyReused, RegisterDamaged, UnchangedRecord
from services.registers.storage import appending, heads, personal
from services.registers.storage.tables import Answer
from services.registers.storage.trees import Damaged

Salt = Callable[[str], bytes]


@dataclass(frozen=True)
class Asked:
    """A change that somebody asks for, once for each idempotency key.

    key: the record to change; None for a new one. values: None to erase it.
    """

    subject: str
    client_id: str
    idempotency_key: str
    key: str | None
    values: Mapping[str, Any] | None


@dataclass(frozen=True)
class Keeper:
    """One personal register and what opens its values."""

    declared: Personal
    vault: PersonalVault

    def change(self, session: Session, asked: Asked, now: int) -> Answer:
        """Enter, change or erase a record, or return what the first such request was answered.

        now: seconds since 1970. Raises NotFound (no such register, or not this person's record),
        IdempotencyKeyReused, Invalid, UnchangedRecord or RegisterDamaged.
        """
        name = self.declared.name
        head = lock(session, name)
        digest = self.vault.request(
            asked.subject, asked.key or "", json.dumps(asked.values, sort_keys=True)
        )
        told = session.get(Answer, (head["id"], asked.client_id, asked.idempotency_key))
        if told is not None:
            if told.blob_hash != digest:
                raise IdempotencyKeyReused(
                    "This Idempotency-Key was used for another request. Nothing was changed. "
                    "Send a new key for a new change."
                )
            return told
        person = self.vault.person(name, asked.subject)
        if asked.key is not None:
            mine(session, head, asked.key, person)
        if asked.values is None:
            told = self.erase(session, head, asked.key or "", now)
        else:
            key = asked.key or secrets.token_hex(16)
            told = self.enter(session, head, key, person, asked.values, now)
        told.client_id, told.idempotency_key = asked.client_id, asked.idempotency_key
        told.blob_hash = digest
        session.add(told)
        return told

    def enter(
        self,
        session: Session,
        head: RowMapping,
        key: str,
        person: bytes,
        given: Mapping[str, Any],
        now: int,
        salt: Salt = lambda _: secrets.token_bytes(commitments.SALT_BYTES),
    ) -> Answer:
        """Append the commitments to values and keep these beside the log."""
        name, values = self.declared.name, self.check(session, key, given)
        row = personal.find(session, head["id"], key, person)
        if row is not None and self.current(session, head, row.key, row.number) == values:
            raise UnchangedRecord(f"The record {key} says this already. Nothing was appended.")
        salts = {field: salt(field) for field in values}
        made = {field: commitments.commit(salts[field], field, values[field]) for field in values}
        told = self._append(session, head, key, made, now)
        sealed = {
            field: self.vault.seal(
                {"salt": salts[field].hex(), "value": value}, name, key, told.number, field
            )
            for field, value in values.items()
        }
        personal.keep(session, head["id"], key, person, told.number)
        personal.keep_values(session, head["id"], key, told.number, sealed)
        return told

    def erase(self, session: Session, head: RowMapping, key: str, now: int) -> Answer:
        """Append that a record is erased, and forget its values, salts and whose it was."""
        told = self._append(session, head, key, moments.write(now)[:10], now)
        personal.erase(session, head["id"], key, told.number)
        return told

    def check(self, session: Session, key: str, given: Mapping[str, Any]) -> dict[str, Value]:
        """Return values in normal form; raises Invalid with an error for each faulty field."""
        name = self.declared.name
        if name in given:
            raise Invalid(
                "Nothing was changed: some fields break a rule; see errors.",
                errors=[{"detail": "The key is made here.", "pointer": f"/item/{name}"}],
            )
        try:
            item = items.read_item(name, self.declared.fields, {**given, name: key})
        except items.Faulty as faulty:
            raise Invalid(
                "Nothing was changed: some fields break a rule; see errors.", errors=faulty.faults
            ) from None
        if faults := appending.missing_references(session, item):
            raise Invalid("Nothing was changed: a reference leads nowhere.", errors=faults)
        values: dict[str, Value] = json.loads(item.content)
        values.pop(name)
        if not values:
            raise Invalid(
                "Nothing was changed: a record has at least one value.",
                errors=[{"detail": "Send a value.", "pointer": "/item"}],
            )
        return values

    def current(
        self, session: Session, head: RowMapping, key: str, number: int
    ) -> dict[str, Value]:
        """Return the values of one entry of a record."""
        sealed = personal.values(session, head["id"], key, [number]).get(number, {})
        return {
            field: self.vault.open(one, self.declared.name, key, number, field)["value"]
            for field, one in sealed.items()
        }

    def _append(
        self,
        session: Session,
        head: RowMapping,
        key: str,
        said: Mapping[str, bytes] | str,
        now: int,
    ) -> Answer:
        """Append commitments, or the day of an erasure; the answer's request is the caller's."""
        name = self.declared.name
        shown = (
            {name: key, commitments.ERASED: said}
            if isinstance(said, str)
            else commitments.public_item(name, key, said)
        )
        item: Item = items.read_item(name, heads.fields_of(head), shown)
        try:
            done = appending.append_entries(session, head, [item], now)
        except Damaged as damaged:
            raise RegisterDamaged(
                f"{damaged} Nothing was changed; the operator must look."
            ) from None
        entry = forms.entry_json(done.number, done.timestamp, key, item.blob_hash)
        body = forms.appended_json(entry, item.content, done.number, done.root, done.audit_path)
        return Answer(register_id=head["id"], number=done.number, body=body)


def lock(session: Session, name: str) -> RowMapping:
    """Return a personal register that nobody else changes until the commit."""
    head = heads.lock_register(session, name)
    if head is None:
        raise no_register()
    return head


def mine(session: Session, head: RowMapping, key: str, person: bytes) -> tuple[str, int]:
    """Return a record (key, number) of this person; another's is answered as if it were not."""
    row = personal.find(session, head["id"], key, person)
    if row is None:
        raise no_record()
    return row.key, row.number


def no_record() -> NotFound:
    """Return the one answer for what does not exist and for what is another person's."""
    return NotFound("This person has no such record in this register.")


def no_register() -> NotFound:
    """Return the answer for a register that this platform does not keep."""
    return NotFound("There is no register of this name. The list of registers is at /registers.")


def field_of(declared: Personal, name: str) -> Field | None:
    """Return one of the fields whose values are kept apart."""
    return next((field for field in declared.values if field.id == name), None)
