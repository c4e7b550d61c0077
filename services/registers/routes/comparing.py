"""What changed: in a record, in a whole register between two sizes, and why."""

import json
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.access import public
from services.registers.domain import differences, forms, keys
from services.registers.domain.objecthash import multihash
from services.registers.routes import answers, asof, listing, paging
from services.registers.routes.answers import JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import asof as stored
from services.registers.storage import log, system

blueprint = Blueprint("comparing", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)


@blueprint.get("/diff")
@public
def diff(register: str) -> Response:
    """List the records that two sizes of the log show differently, field by field."""
    answers.wanted(JSON)
    limit, start = paging.limit("from", "to"), paging.key_start()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        old, new = asof.sizes_asked(found)
        changed = stored.changed_keys(session, found["id"], old, new, start, limit + 1)
        told = [_change(session, found, key, old, new) for key in changed[:limit]]
    body = {
        "register": register,
        "from": old,
        "to": new,
        "changes": [each for each in told if each["change"] != "unchanged"],
    }
    response = answers.answer(json.dumps(body, ensure_ascii=False))
    following = changed[limit] if len(changed) > limit else None
    query: dict[str, object] = {"from": old, "to": new, "start": following, "limit": limit}
    return paging.link(response, (register, "diff"), {"next": query if following else None})


@blueprint.get("/records/<key:key>/diff")
@public
def diff_of_record(register: str, key: str) -> Response:
    """Say how a record changed between two sizes of the log."""
    answers.wanted(JSON)
    answers.check_query("from", "to")
    with database().snapshot() as session:
        found = register_or_404(session, register)
        old, new = asof.sizes_asked(found)
        if not keys.is_key(key) or log.record_at(session, found["id"], key, new) is None:
            raise listing.no_record()
        told = _change(session, found, key, old, new)
    body = {"register": register, "from": old, "to": new, **told}
    return answers.answer(json.dumps(body, ensure_ascii=False))


@blueprint.get("/records/<key:key>/history")
@public
def history(register: str, key: str) -> Response:
    """Tell a record's life, oldest entry first: each with what it changed and why."""
    answers.wanted(JSON)
    limit, start = paging.limit(), paging.number_start() or 1
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if not keys.is_key(key) or log.record_at(session, found["id"], key, found["size"]) is None:
            raise listing.no_record()
        rows = stored.versions(session, found["id"], key, start, limit + 1, found["size"])
        earlier = log.record_at(session, found["id"], key, start - 1)
        why = system.corrections(session, found["id"], [row.number for row in rows[:limit]])
        total = stored.count_of(session, found["id"], key, found["size"])
    before: dict[str, Any] | None = json.loads(earlier.content) if earlier is not None else None
    told = []
    for row in rows[:limit]:
        item = json.loads(row.content)
        change = differences.change(key, before, item)
        told.append(
            {
                "entry-number": row.number,
                "entry-timestamp": forms.timestamp(row.timestamp),
                "blob-hash": multihash(row.hash),
                "item": change["after"],
                "change": change["change"],
                "fields": change["fields"],
                "reason": why.get(row.number),
            }
        )
        before = item
    body = {"register": register, "key": key, "total-versions": total, "versions": told}
    response = answers.answer(json.dumps(body, ensure_ascii=False))
    following = rows[limit].number if len(rows) > limit else None
    path = (register, "records", key, "history")
    return paging.link_pages(response, path, limit, next=following)


def _change(session: Session, found: RowMapping, key: str, old: int, new: int) -> dict[str, Any]:
    before = log.record_at(session, found["id"], key, old) if old else None
    after = log.record_at(session, found["id"], key, new)
    told = differences.change(
        key,
        None if before is None else json.loads(before.content),
        None if after is None else json.loads(after.content),
    )
    return {**told, "entries": stored.entries_of(session, found["id"], key, old, new)}
