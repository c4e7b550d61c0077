"""Finding records: by words, by values, by what refers to them; and pickers for forms."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

from flask import Blueprint, Response, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.access import public
from servicekit.problems import Malformed
from services.registers.domain import forms, keys, words
from services.registers.domain.items import Field
from services.registers.routes import answers, listing, paging
from services.registers.routes.answers import JSON, NUMBER
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, log, searching

blueprint = Blueprint("searching", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

DEFAULT, MOST, MOST_RANKED, MOST_VALUES, MOST_LINKS = 20, 500, 400, 100, 50
MAX_QUERY, MAX_WORDS = 200, 8
SORTS = ("relevance", "key")


class Asked:
    """What to look for: words that begin so, and values."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        text = request.args.get("q", "")
        if len(text) > MAX_QUERY:
            raise Malformed(f"q has {MAX_QUERY} characters at most.")
        self.text = text
        self.words = words.words_of(text)[:MAX_WORDS]
        self.values: list[str] = []
        for pair in request.args.getlist("filter"):
            name, colon, value = pair.partition(":")
            if not colon or name not in fields:
                raise Malformed("filter is FIELD:VALUE, with a field that the register has.")
            term = words.value_term(name, value)
            if term is None:
                raise Malformed(f"A value to filter by has {words.MAX_VALUE} characters at most.")
            self.values.append(term)
        if len(self.values) > MAX_WORDS:
            raise Malformed(f"There may be {MAX_WORDS} filters at most.")

    @property
    def anything(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.words or self.values)


@blueprint.get("/search")
@public
def search(register: str) -> Response:
    """Find records by words that begin as those of ``q``, the best ones first; also for pickers."""
    answers.wanted(JSON)
    answers.check_query("q", "filter", "limit", "start", "sort")
    limit, start = _limit(DEFAULT, MOST), paging.key_start()
    sort = request.args.get("sort", "key" if start else "relevance")
    if sort not in SORTS or (start and sort != "key"):
        raise Malformed("sort is relevance or key; pages that go on are sorted by key.")
    with database().snapshot() as session:
        fields = _fields(register_or_404(session, register))
    asked = Asked(fields)
    indexed, size = searching.catch_up(database(), register)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if not asked.anything or (not indexed and size):
            page = _by_key(session, found, asked, start, limit + 1)
            total = found["records"] if not asked.anything else None
        else:
            most = limit + 1 if sort == "key" else MOST_RANKED
            page = searching.keys_with(session, found["id"], asked.words, asked.values, start, most)
            total = searching.count_with(session, found["id"], asked.words, asked.values)
        rows = log.records_of(session, found["id"], page)
    results = [_result(found, fields, row.key, json.loads(row.content)) for row in rows]
    if sort == "relevance" and asked.words:
        results.sort(
            key=lambda each: words.rank(asked.words, each["_id"], each["label"], each["item"])
        )
    body = {
        "register": register,
        "query": asked.text,
        "total": total,
        "complete": indexed == size,
        "results": results[:limit],
    }
    response = answers.answer(json.dumps(body, ensure_ascii=False))
    following = page[limit] if len(page) > limit and (sort == "key" or not asked.words) else None
    if following is None:
        return response
    query = [("q", asked.text)] if asked.text else []
    query += [("filter", pair) for pair in request.args.getlist("filter")]
    query += [("sort", "key"), ("start", following), ("limit", str(limit))]
    address = f"{answers.public_path(register, 'search')}?{urlencode(query)}"
    response.headers.add("Link", f'<{address}>; rel="next"')
    return response


@blueprint.get("/facets")
@public
def facets(register: str) -> Response:
    """Count the values of fields, in all records or in those that a search finds."""
    answers.wanted(JSON)
    answers.check_query("q", "filter", "field", "limit")
    limit = _limit(DEFAULT, MOST_VALUES)
    with database().snapshot() as session:
        fields = _fields(register_or_404(session, register))
    asked = Asked(fields)
    indexed, size = searching.catch_up(database(), register)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        chosen = request.args.getlist("field")
        if unknown := set(chosen) - set(fields):
            raise Malformed(f"The register has no field {sorted(unknown)[0]}.")
        told = []
        for field in fields.values():
            wanted = (
                field.id in chosen if chosen else words.is_sorted_by(field, heads.key_field(found))
            )
            if not wanted:
                continue
            counted = searching.values_of(
                session, found["id"], field.id, asked.words, asked.values, limit + 1
            )
            if not chosen and _tells_apart(counted):
                continue
            told.append(_facet(session, field, counted, limit))
    body = {"register": register, "complete": indexed == size, "facets": told}
    return answers.answer(json.dumps(body, ensure_ascii=False))


@blueprint.get("/records/<key:key>/links")
@public
def links(register: str, key: str) -> Response:
    """List what a record refers to, and what refers to it."""
    answers.wanted(JSON)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        pointing = [
            (other, field)
            for other in heads.all_registers(session)
            for field in heads.fields_of(other)
            if field.datatype == "curie" and field.register in (None, register)
        ]
    complete = True
    for name in dict.fromkeys(other["name"] for other, _ in pointing):
        indexed, size = searching.catch_up(database(), name)
        complete = complete and indexed == size
    with database().snapshot() as session:
        row = None
        if keys.is_key(key):
            row = log.record_at(session, found["id"], key, found["size"])
        if row is None:
            raise listing.no_record()
        item = forms.without_empty(json.loads(row.content))
        outgoing = [
            _reference(session, field, value)
            for field in heads.fields_of(found)
            if field.datatype == "curie"
            for value in _values(item.get(field.id))
        ]
        incoming = [_incoming(session, other, field, register, key) for other, field in pointing]
    body = {
        "register": register,
        "key": key,
        "complete": complete,
        "outgoing": outgoing,
        "incoming": [each for each in incoming if each["total"]],
    }
    return answers.answer(json.dumps(body, ensure_ascii=False))


def _incoming(
    session: Session, other: RowMapping, field: Field, register: str, key: str
) -> dict[str, Any]:
    """Return the records of another register whose field leads to a key, however it is written."""
    spellings = dict.fromkeys([f"{register}:{key}", f"{register}:{quote(key, safe='')}"])
    found: list[str] = []
    total = 0
    for spelling in spellings:
        term = words.value_term(field.id, spelling)
        if term is not None:
            found += searching.keys_with(session, other["id"], (), (term,), None, MOST_LINKS)
            total += searching.count_with(session, other["id"], (), (term,))
    fields = _fields(other)
    rows = log.records_of(session, other["id"], sorted(found)[:MOST_LINKS])
    return {
        "register": other["name"],
        "field": field.id,
        "title": field.title or {"en": field.id},
        "total": total,
        "records": [_short(other, fields, row.key, json.loads(row.content)) for row in rows],
        "all": answers.public_path(other["name"], "search")
        + f"?sort=key&filter={quote(f'{field.id}:{register}:{key}')}",
    }


def _reference(session: Session, field: Field, value: str) -> dict[str, Any]:
    register, _, reference = value.partition(":")
    key = unquote(reference)
    told: dict[str, Any] = {
        "field": field.id,
        "title": field.title or {"en": field.id},
        "curie": value,
        "register": register,
        "key": key,
        "exists": False,
        "label": {},
    }
    target = heads.find_register(session, register) if keys.is_name(register) else None
    if target is None or target["hidden"]:
        return told
    if not key:  # the whole register
        title = target["title"]
        return told | {
            "exists": True, "label": title, "href": answers.public_path(register, "context")
        }  # fmt: skip
    row = log.find_record(session, register, key) if keys.is_key(key) else None
    if row is None:
        return told
    label = words.label_of(register, heads.fields_of(target), json.loads(row.content))
    href = answers.public_path(register, "records", key)
    return told | {"exists": True, "label": label, "href": href}


def _facet(session: Session, field: Field, counted: Any, limit: int) -> dict[str, Any]:
    values = []
    for row in counted[:limit]:
        value = words.value_of(row.term)
        each: dict[str, Any] = {"value": value, "count": row.count}
        if field.datatype == "curie":
            each["label"] = _reference(session, field, value)["label"]
        values.append(each)
    return {
        "field": field.id,
        "title": field.title or {"en": field.id},
        "values": values,
        "more": len(counted) > limit,
    }


def _tells_apart(counted: Any) -> bool:
    """Tell whether most records have a value of their own: then there is nothing to sort by."""
    return not counted or (len(counted) > DEFAULT and counted[len(counted) // 2].count == 1)


def _by_key(
    session: Session, found: RowMapping, asked: Asked, start: str | None, limit: int
) -> list[str]:
    """Return keys from where the query would stand: all that can be done without an index."""
    begin = start or (asked.text if keys.is_key(asked.text) else None)
    page = log.records_page(session, found["id"], begin, limit)
    rows = [str(row.key) for row in page.rows]
    return rows if not asked.text else [key for key in rows if key.startswith(asked.text)]


def _result(
    found: RowMapping, fields: Mapping[str, Field], key: str, item: dict[str, Any]
) -> dict[str, Any]:
    return {**_short(found, fields, key, item), "item": forms.without_empty(item)}


def _short(
    found: RowMapping, fields: Mapping[str, Field], key: str, item: dict[str, Any]
) -> dict[str, Any]:
    label = words.label_of(found["name"], fields.values(), item)
    return {"_id": key, "curie": f"{found['name']}:{quote(key, safe='')}", "label": label}


def _fields(register: RowMapping) -> dict[str, Field]:
    return {field.id: field for field in heads.fields_of(register)}


def _values(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _limit(default: int, most: int) -> int:
    text = request.args.get("limit", str(default))
    if NUMBER.fullmatch(text) is None or int(text) > most:
        raise Malformed(f"limit is a number from 1 to {most}.")
    return int(text)
