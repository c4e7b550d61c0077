"""How good a register's data are, and which references lead nowhere."""

import json
import threading
from collections import OrderedDict
from itertools import islice
from typing import Any, cast

from flask import Blueprint, Response, current_app
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.access import public
from services.registers.domain import governance, moments, quality
from services.registers.routes import answers, paging
from services.registers.routes.answers import JSON
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import asof as stored
from services.registers.storage import heads, log
from services.registers.storage.references import References

blueprint = Blueprint("quality", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

MOST_MEASURED, AT_ONCE, LOOKED_THROUGH, REMEMBERED = 100_000, 500, 20_000, 64


class Measured:
    """The measures of registers as they are; they change with any register that is referred to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()

    def of(self, session: Session, found: RowMapping) -> dict[str, Any]:
        """Return the measures of a register, from memory where nothing has changed."""
        sizes = tuple(sorted((each["id"], each["size"]) for each in heads.all_registers(session)))
        place = (found["id"], found["size"], heads.root_v1(found), found["system_size"], sizes)
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        told = _measure(session, found)
        with self._lock:
            self._kept[place] = told
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return told


@blueprint.get("/quality")
@public
def show(register: str) -> Response:
    """Say how complete, valid, unique, well connected and timely the records are."""
    answers.wanted(JSON)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        told = _memory().of(session, found)
    now = int(clock().now().timestamp())
    said = governance.of(found)
    measures = {
        **told["measures"],
        "timeliness": quality.timeliness(said.get("update-frequency"), found["updated"], now),
    }
    body = {
        "register": register,
        "total-entries": found["size"],
        "total-records": found["records"],
        "measured-records": told["records"],
        "updated": moments.write(found["updated"]),
        "score": quality.overall(measures),
        "measures": measures,
    }
    return answers.answer(json.dumps(body, ensure_ascii=False))


@blueprint.get("/dangling")
@public
def dangling(register: str) -> Response:
    """List the references of a register that lead to no record, in the order of the keys."""
    answers.wanted(JSON)
    limit, start = paging.limit(), paging.key_start()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        fields, known = heads.fields_of(found), References(session)
        lost: list[dict[str, str]] = []
        following, looked = start, 0
        while len(lost) < limit and looked < LOOKED_THROUGH:
            page = log.records_page(session, found["id"], following, AT_ONCE)
            pointing = [
                (row.key, *reference)
                for row in page.rows
                for reference in quality.references(fields, row.content)
            ]
            known.ask(target for *_, target in pointing)
            by_key: dict[str, list[dict[str, str]]] = {}
            for key, field, curie, target in pointing:
                if not known.exists(target):
                    by_key.setdefault(key, []).append(
                        {"key": key, "field": field, "curie": curie, "register": target[0]}
                    )
            following = page.next
            for row in page.rows:
                if len(lost) >= limit:
                    following = row.key
                    break
                lost += by_key.get(row.key, [])
            looked += len(page.rows)
            if following is None or len(lost) >= limit:
                break
    body = {"register": register, "complete": following is None, "dangling": lost}
    response = answers.answer(json.dumps(body, ensure_ascii=False))
    return paging.link_pages(response, (register, "dangling"), limit, next=following)


def _measure(session: Session, found: RowMapping) -> dict[str, Any]:
    fields, known = heads.fields_of(found), References(session)
    measuring = quality.Measuring(heads.key_field(found), fields, known.exists)
    records = islice(stored.every_record(session, found["id"]), MOST_MEASURED)
    while part := list(islice(records, AT_ONCE)):
        known.ask(target for row in part for *_, target in quality.references(fields, row.content))
        for row in part:
            measuring.take(row.key, json.loads(row.content))
    return {"records": measuring.records, "measures": measuring.told()}


def _memory() -> Measured:
    return cast(Measured, current_app.extensions.setdefault("registers-quality", Measured()))
