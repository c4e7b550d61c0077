"""Pages of records and of entries, as both versions of the specification list them."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Malformed, NotFound
from services.registers.domain import keys
from services.registers.routes import answers, asof, paging
from services.registers.routes.answers import CSV, JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, log

# (register, rows of records or entries, content type) -> body
Writer = Callable[[RowMapping, Sequence[Any], str], str]
FACET_NAMES = ("name", "value")


def no_record() -> NotFound:
    """Return the refusal for a key without a record."""
    return NotFound("The register has no record with this key.")


def records(register: str, version: tuple[str, ...], write: Writer) -> Response:
    """List records in the order of their keys, all of them or those with one value."""
    kind = answers.wanted(JSON, CSV)
    asked = paging.records_asked(*FACET_NAMES, *asof.NAMES)
    facet = _facet()
    if request.args.keys() & set(asof.NAMES) and (facet is not None or asked.page is not None):
        raise Malformed("Records as they were are listed from a start, all of them.")
    if facet is not None and asked.page is not None:
        raise Malformed("Records with a value are listed from a start, not by page-index.")
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if facet is not None:
            return faceted(session, found, facet, version, write, kind, asked)
        start = asked.start
        if asked.page is not None:
            start = _start_of_page(session, found, asked.page, asked.limit)
        size = asof.size_asked(session, found)
        if size is None:
            page = log.records_page(session, found["id"], start, asked.limit)
        else:
            page = log.records_at(session, found["id"], size, start, asked.limit)
        response = answers.answer(write(found, page.rows, kind), kind)
        if size is not None:
            asof.say_when(session, response, found, size)
    path = (register, *version, "records")
    if asked.page is None:
        return _link_pages(response, path, asked.limit, size, page)
    beside = {"next": asked.page + 1 if page.next is not None else 0, "previous": asked.page - 1}
    queries: dict[str, dict[str, object] | None] = {
        relation: {"page-index": index, "page-size": asked.limit} if index else None
        for relation, index in beside.items()
    }
    return paging.link(response, path, queries)


def _facet() -> tuple[str, str] | None:
    given = [name for name in FACET_NAMES if name in request.args]
    if not given:
        return None
    if len(given) == 1:
        raise Malformed("name and value come together: ?name=FIELD&value=VALUE.")
    return request.args["name"], request.args["value"]


def faceted(
    session: Session,
    register: RowMapping,
    facet: tuple[str, str],
    version: tuple[str, ...],
    write: Writer,
    kind: str,
    asked: paging.Asked,
) -> Response:
    """List the records whose field has a value, exactly or among several."""
    field, value = facet
    if field not in {each.id for each in heads.fields_of(register)}:
        raise Malformed("The register has no field of this name; its context lists them.")
    page = log.facet_page(session, register["id"], field, value, asked.start, asked.limit)
    response = answers.answer(write(register, page.rows, kind), kind)
    queries: dict[str, dict[str, object] | None] = {
        relation: None
        if start is None
        else {"name": field, "value": value, "start": start, "limit": asked.limit}
        for relation, start in (("next", page.next), ("previous", page.previous))
    }
    return paging.link(response, (register["name"], *version, "records"), queries)


def _start_of_page(session: Session, register: RowMapping, index: int, size: int) -> str | None:
    offset = (index - 1) * size
    start = log.key_at(session, register["id"], offset) if offset < register["records"] else None
    if start is None and index > 1:
        raise NotFound("There is no such page of records.")
    return start


def entries(
    register: str, version: tuple[str, ...], write: Writer, key: str | None = None
) -> Response:
    """List entries, oldest first; those of one record when a key is given."""
    kind = answers.wanted(JSON, CSV)
    limit, start = paging.limit(*asof.NAMES), paging.number_start()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if key is not None and not keys.is_key(key):
            raise no_record()
        size = asof.size_asked(session, found)
        page = log.entries_page(session, found["id"], start, limit, key, size=size)
        if key is not None and not page.rows and page.previous is None:
            raise no_record()
        response = answers.answer(write(found, page.rows, kind), kind)
        if size is not None:
            asof.say_when(session, response, found, size)
    path = (register, *version, "entries")
    if key is not None:
        path = (register, *version, "records", key, "entries")
    return _link_pages(response, path, limit, size, page)


def _link_pages(
    response: Response, path: Sequence[str], limit: int, size: int | None, page: log.Page
) -> Response:
    """Add the links to the pages beside one; they stay at the size that it is of."""
    same: dict[str, object] = {"limit": limit}
    if size is not None:
        same["log-size"] = size
    queries: dict[str, dict[str, object] | None] = {
        relation: None if start is None else {"start": start, **same}
        for relation, start in (("next", page.next), ("previous", page.previous))
    }
    return paging.link(response, path, queries)
