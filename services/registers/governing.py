"""Creating, declaring, publishing and archiving registers: every change an entry of the system log.

A draft's history begins when it is published: until then it is described by its columns alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from servicekit.problems import Conflict, Invalid, NotFound
from services.registers import enlisting
from services.registers.domain import canonical, declarations, governance, keys, schema_changes
from services.registers.domain.governance import DRAFT, PUBLISHED
from services.registers.domain.items import Field
from services.registers.personal.declared import personal_registers
from services.registers.problems import (
    ChangedMeanwhile,
    NotPublishable,
    ReadersWouldBreak,
    RegisterLoading,
)
from services.registers.storage import heads, log, system
from services.registers.storage.tables import Answer

KINDS = ("fields", "governance", "status")
Document = dict[str, Any]


def lock(session: Session, register: str) -> RowMapping:
    """Lock a register for a change; raises NotFound or RegisterLoading."""
    head = heads.lock_register(session, register)
    if head is None:
        raise NotFound("There is no register of this name any more.")
    if head["loading"] is not None:
        raise RegisterLoading(
            f"A file is being loaded into {register}. Nothing was changed. Try again when it is in."
        )
    return head


def check_tag(head: RowMapping, expected: str | None) -> None:
    """Refuse a change by somebody who saw the register kept otherwise (``tag``)."""
    if expected is not None and expected != tag(head):
        raise ChangedMeanwhile(
            f"The register {head['name']} is not kept as you saw it any more. Nothing was changed. "
            "Read it again and decide again."
        )


def tag(register: governance.Register) -> str:
    """Return what changes with every change of how a register is kept."""
    names = ("state", "review", "governance", "title", "description", "fields", "custodian",
             "licence", "phase", "system_size")  # fmt: skip
    told = json.dumps([register[name] for name in names], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def digest_of(*parts: Any) -> bytes:
    """Return what tells one request from another."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def keep_answer(
    session: Session, register_id: int, client: str, key: str, digest: bytes, body: str
) -> None:
    """Keep the answer of a request for its repeats."""
    session.add(
        Answer(
            register_id=register_id,
            client_id=client,
            idempotency_key=key,
            blob_hash=digest,
            number=0,
            body=body,
        )
    )


def create(session: Session, new: Document, now: int) -> RowMapping:
    """Add a draft; raises Invalid with every fault, or Conflict where the name is taken."""
    name = new["id"]
    faults = governance.faults(new.get("governance", {}))
    if not keys.is_name(name) or name in {*governance.RESERVED, *personal_registers()}:
        detail = "A register is called by small letters, digits and -, a letter first; not this."
        faults.append({"detail": detail, "pointer": "/id"})
    fields, found = _read_fields(new["fields"])
    faults += found or schema_changes.key_faults(name, fields)
    faults += schema_changes.contradictions(fields, _known(session, fields))
    if faults:
        raise Invalid("The register was not created: some fields break a rule.", errors=faults)
    columns = {
        "name": name,
        "title": new["title"],
        "description": new.get("description", {}),
        "fields": [written(field) for field in fields],
        "synthetic": new.get("synthetic", False),
        "source": new.get("source", ""),
        "phase": new.get("phase", "alpha"),
        "started": now,
        "state": DRAFT,
        "review": new.get("review", False),
        **_governed({}, new.get("governance", {})),
    }
    try:
        heads.add_register(session, columns)
    except IntegrityError:
        raise Conflict(f"There is a register {name} already. Take another name.") from None
    head = heads.lock_register(session, name)
    assert head is not None  # noqa: S101 (just added)
    return head


def change(
    session: Session,
    head: RowMapping,
    kind: str,
    body: Document,
    *,
    reason: str = "",
    reviewed: bool = False,
    now: int,
) -> Document:
    """Make a change of a locked register and say in its system log what and why.

    kind: fields, governance or status. Raises Invalid, ReadersWouldBreak, NotPublishable or
    Conflict; then nothing was changed.
    """
    columns = try_out(session, head, kind, body)
    after = {**head, **columns}
    if columns:
        heads.describe(session, head["id"], columns)
    if head["state"] == DRAFT and after["state"] != DRAFT:
        heads.publish(session, head["id"])
    if after["state"] != DRAFT:
        _say(session, head, after, kind, reason, reviewed=reviewed, now=now)
        enlisting.enlist(session, head["name"], now)
    changed = heads.lock_register(session, head["name"])
    assert changed is not None  # noqa: S101 (locked all the time)
    return describe(changed)


def try_out(session: Session, head: RowMapping, kind: str, body: Document) -> Document:
    """Return the columns that a change would set; raises as ``change`` does."""
    return {"fields": _fields, "governance": _governance, "status": _status}[kind](
        session, head, body
    )


def describe(register: governance.Register) -> Document:
    """Return how a register is kept, as its custodians see it."""
    return {
        "register": register["name"],
        "state": register["state"],
        "review": bool(register["review"]),
        "title": register["title"],
        "description": register["description"],
        "governance": governance.of(register),
        "phase": register["phase"],
        "synthetic": bool(register["synthetic"]),
        "source": register["source"],
        "fields": register["fields"],
        "total-entries": register["size"],
        "total-records": register["records"],
        "system-entries": register["system_size"],
        "missing": governance.missing(register, [field["id"] for field in register["fields"]])
        if register["state"] == DRAFT
        else [],
        "tag": tag(register),
    }


def _fields(session: Session, head: RowMapping, body: Document) -> Document:
    old = heads.fields_of(head)
    new, faults = _read_fields(body.get("fields", []))
    if faults:
        raise Invalid("Nothing was changed: some fields break a rule; see errors.", errors=faults)
    ids = {field.id for field in old}
    added = [field for field in new if field.id not in ids]
    removed = set(body.get("remove", []))
    if head["state"] == DRAFT and not head["size"]:
        changed = {field.id: field for field in old if field.id not in removed}
        merged = list((changed | {field.id: field for field in new}).values())
        breaks: list[dict[str, str]] = []
        faults = schema_changes.contradictions(new, _known(session, new))
    else:
        merged, breaks = schema_changes.merge(old, new)
        kept = [field for field in old if field.id not in removed]
        breaks += schema_changes.taken_away(old, kept)
        faults = schema_changes.contradictions(added, _known(session, added))
    if breaks:
        raise ReadersWouldBreak(
            "Nothing was changed: programs that read this register would break; see errors.",
            errors=breaks,
        )
    faults += schema_changes.key_faults(heads.key_field(head), merged)
    if faults:
        raise Invalid("Nothing was changed: some fields break a rule; see errors.", errors=faults)
    return {"fields": [written(field) for field in merged]}


def _governance(_session: Session, head: RowMapping, body: Document) -> Document:
    given = body.get("governance", {})
    columns = _governed(head, given)
    if faults := governance.faults(given):
        raise Invalid("Nothing was changed: some fields break a rule; see errors.", errors=faults)
    for name in governance.TEXTS:
        if name in body:
            columns[name] = {**head[name], **body[name]}
    columns |= {name: body[name] for name in ("review", "phase") if name in body}
    if head["state"] != DRAFT:
        after = {**head, **columns}
        lacks = governance.missing(after, [field["id"] for field in head["fields"]])
        changed = set(given) | set(body)
        if lacks := [fault for fault in lacks if fault["pointer"][1:] in changed]:
            raise NotPublishable("Nothing was changed: readers rely on this.", errors=lacks)
    return columns


def _status(_session: Session, head: RowMapping, body: Document) -> Document:
    wanted = body["status"]
    if wanted not in governance.NEXT[head["state"]]:
        raise Conflict(
            f"The register {head['name']} is {head['state']}; it can become "
            f"{' or '.join(governance.NEXT[head['state']])}, not {wanted}."
        )
    if wanted == PUBLISHED:
        lacks = governance.missing(head, [field["id"] for field in head["fields"]])
        if lacks and head["state"] == DRAFT:
            raise NotPublishable(
                f"The register {head['name']} stays a draft; see errors for what it lacks.",
                errors=lacks,
            )
    return {"state": wanted}


def _say(
    session: Session,
    head: RowMapping,
    after: governance.Register,
    kind: str,
    reason: str,
    *,
    reviewed: bool,
    now: int,
) -> None:
    """Append to the system log what it does not say yet of a register."""
    said = {row.key: row.content for row in system.entries(session, head["id"])}
    fields = [Field(**field) for field in after["fields"]]
    wanted = [
        *declarations.write(after, fields),
        ("governance", governance.item(after)),
        ("status", {"status": after["state"]}),
    ]
    new = [(key, canonical.item_json(item)) for key, item in wanted]
    new = [(key, content) for key, content in new if said.get(key) != content]
    about = {
        "change": kind,
        "reason": reason,
        "review": "two-persons" if reviewed else "none",
    }
    why = canonical.item_json({name: value for name, value in about.items() if value})
    system.append(session, head, [*new, ("change", why)], max(now, head["updated"]))


def _governed(head: governance.Register, given: Mapping[str, str]) -> Document:
    kept = dict(head["governance"] or {}) if head else {}
    kept |= {name: given[name] for name in governance.NAMES if name in given}
    before = head or {"custodian": "", "licence": ""}
    own = {name: given.get(name, before[name]) for name in ("custodian", "licence")}
    return {"governance": kept, **own}


def _read_fields(given: Sequence[Document]) -> tuple[list[Field], list[dict[str, str]]]:
    fields, faults = [], []
    for index, each in enumerate(given):
        field, found = schema_changes.read(each, f"/fields/{index}")
        faults += found
        if field is not None:
            fields.append(field)
    return fields, faults


def _known(session: Session, fields: Sequence[Field]) -> dict[str, Document]:
    rows = [log.find_record(session, "field", field.id) for field in fields]
    return {row.key: json.loads(row.content) for row in rows if row is not None}


def written(field: Field) -> Document:
    """Return a field as the register's column holds it."""
    return {name: value for name, value in asdict(field).items() if value is not None}
