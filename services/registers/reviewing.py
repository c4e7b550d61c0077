"""Four eyes: changes that one person proposes and another decides on, never the same one."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Conflict, NotFound, Problem
from services.registers import governing, minting
from services.registers.domain import differences, governance, moments
from services.registers.problems import OwnProposal, ProposalDecided, ProposalOutdated
from services.registers.storage import log, proposals

Found = Row[*tuple[Any, ...]]
ENTRIES = "entries"
MAX_OPEN = 500


@dataclass(frozen=True)
class By:
    """Who acts: the token's subject, who acts for it, and the program."""

    subject: str
    client_id: str
    actors: tuple[str, ...] = ()

    @property
    def everyone(self) -> set[str]:
        """Everybody whose eyes these are."""
        return {self.subject, *self.actors}

    @property
    def written(self) -> str:
        """Write who acts, for ``made_by``."""
        return json.dumps([self.subject, *self.actors])

    def made(self, found: Found) -> bool:
        """Tell whether a proposal is theirs; what a program proposed, no token of it approves."""
        proposers = set(json.loads(found.proposer))
        own_program = found.proposer_client in proposers
        return bool(proposers & self.everyone) or (
            own_program and found.proposer_client == self.client_id
        )


def needed(head: RowMapping, kind: str, body: Mapping[str, Any]) -> bool:
    """Tell whether a change waits for a second person."""
    if kind == "status" and head["state"] == governance.DRAFT:
        return bool(head["review"])  # who looks at a draft before everyone does
    return governance.needs_review(head) or (
        head["state"] != governance.DRAFT and bool(body.get("review"))
    )


def propose_entries(
    session: Session, head: RowMapping, asked: minting.Asked, by: By, at: int
) -> Any:
    """Propose items that were checked against the locked register; return the proposal."""
    minting.check_open(head)
    minting.fit(session, head, asked)
    body = {
        "items": [json.loads(item.content) for item in asked.items],
        "seen": {item.key: _seen(session, head, item.key) for item in asked.items},
    }
    return propose(session, head, ENTRIES, body, asked.reason, by, at)


def propose(
    session: Session,
    head: RowMapping,
    kind: str,
    body: Mapping[str, Any],
    reason: str,
    by: By,
    at: int,
) -> Found:
    """Keep a change for somebody else to decide on."""
    if len(proposals.page(session, head["id"], proposals.OPEN, MAX_OPEN)) >= MAX_OPEN:
        raise Conflict(
            f"{MAX_OPEN} proposals of {head['name']} are open. Let somebody decide on them first."
        )
    identifier = str(uuid.uuid4())
    proposals.add(
        session,
        id=identifier,
        register_id=head["id"],
        kind=kind,
        made=at,
        proposer=by.written,
        proposer_client=by.client_id,
        body=json.dumps(body, ensure_ascii=False),
        reason=reason,
    )
    session.flush()
    return find(session, head["id"], identifier)


def find(session: Session, register_id: int, identifier: str) -> Found:
    """Return one proposal; raises NotFound."""
    found = proposals.find(session, register_id, identifier)
    if found is None:
        raise NotFound("The register has no proposal of this id.")
    return found


def approve(
    session: Session, head: RowMapping, identifier: str, by: By, why: str, now: int
) -> Found:
    """Make a proposed change as if it were asked for now; a repeat changes nothing.

    Raises NotFound, OwnProposal, ProposalDecided or ProposalOutdated.
    """
    found = find(session, head["id"], identifier)
    if by.made(found):
        raise OwnProposal("Somebody else must look at it. You can withdraw it.")
    if _repeated(found, "approved", by):
        return found
    body = json.loads(found.body)
    try:
        if found.kind == ENTRIES:
            answer = _append(session, head, found, body, now)
        else:
            done = governing.change(
                session, head, found.kind, body, reason=found.reason, reviewed=True, now=now
            )
            answer = {"system-entries": done["system-entries"]}
    except ProposalOutdated:
        raise
    except Problem as refused:
        if refused.status >= 500:
            raise
        raise ProposalOutdated(
            f"The proposal does not fit the register as it is now. Nothing was changed. "
            f"{refused.detail}",
            errors=refused.errors,
        ) from None
    return _decided(session, found, "approved", by, why, now, json.dumps(answer))


def reject(
    session: Session, head: RowMapping, identifier: str, by: By, why: str, now: int
) -> Found:
    """Turn a proposal down, with the reason; raises NotFound, OwnProposal or ProposalDecided."""
    found = find(session, head["id"], identifier)
    if by.made(found):
        raise OwnProposal("Somebody else must look at it. You can withdraw it.")
    if _repeated(found, "rejected", by):
        return found
    return _decided(session, found, "rejected", by, why, now)


def withdraw(
    session: Session, head: RowMapping, identifier: str, by: By, why: str, now: int
) -> Found:
    """Take one's own proposal back; raises NotFound, OwnProposal or ProposalDecided."""
    found = find(session, head["id"], identifier)
    if not by.made(found):
        raise OwnProposal("Only who made a proposal withdraws it. You can approve or reject it.")
    if _repeated(found, "withdrawn", by):
        return found
    return _decided(session, found, "withdrawn", by, why, now)


def describe(session: Session, head: RowMapping, found: Found, by: By) -> dict[str, Any]:
    """Return a proposal as custodians and approvers see it; who made it stays out of it."""
    body = json.loads(found.body)
    told = {
        "id": found.id,
        "register": head["name"],
        "kind": found.kind,
        "state": found.state,
        "proposed": moments.write(found.made),
        "program": found.proposer_client,
        "mine": by.made(found),
        "reason": found.reason or None,
        "decided": None if found.decided is None else moments.write(found.decided),
        "why": found.why or None,
        "result": json.loads(found.answer) if found.answer else None,
    }
    if found.kind != ENTRIES:
        return told | {"change": body}
    return told | {"changes": [_shown(session, head, found, item) for item in body["items"]]}


def _shown(
    session: Session, head: RowMapping, found: Found, item: dict[str, Any]
) -> dict[str, Any]:
    key = item[str(head["key_field"] or head["name"])]
    size = head["size"]
    if found.answer:
        size = json.loads(found.answer)["first"] - 1
    record = log.record_at(session, head["id"], key, size)
    before = None if record is None else json.loads(record.content)
    return differences.change(key, before, item)


def _append(
    session: Session, head: RowMapping, found: Found, body: dict[str, Any], now: int
) -> dict[str, int]:
    minting.check_open(head)
    for key, seen in body["seen"].items():
        if _seen(session, head, key) != seen:
            raise ProposalOutdated(
                f"The record {key} changed since this was proposed. Nothing was appended. "
                "Reject it, or let it be proposed again."
            )
    items = minting.check_batch(head, body["items"])
    asked = minting.Asked(
        head["name"], "", "", items[0], items[1:], reason=found.reason, reviewed=True
    )
    minting.fit(session, head, asked)
    told = minting.append(session, head, asked, now)
    return {"first": told.number, "last": told.number + len(items) - 1}


def _seen(session: Session, head: RowMapping, key: str) -> str:
    record = log.record_at(session, head["id"], key, head["size"])
    return "" if record is None else record.hash.hex()


def _repeated(found: Found, state: str, by: By) -> bool:
    if found.state == proposals.OPEN:
        return False
    if found.state == state and found.decider == by.written:
        return True
    raise ProposalDecided(f"The proposal is {found.state} already. Nothing was changed.")


def _decided(
    session: Session,
    found: Found,
    state: str,
    by: By,
    why: str,
    now: int,
    answer: str | None = None,
) -> Found:
    proposals.decide(
        session, found.id, state=state, at=now, decider=by.written, why=why, answer=answer
    )
    return find(session, found.register_id, found.id)
