"""Pages of lists: which rows the caller asks for, and the links to the pages beside them."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, request

from servicekit.problems import Malformed
from services.registers.domain import keys
from services.registers.routes import answers
from services.registers.routes.answers import NUMBER

DEFAULT_LIMIT, MAX_LIMIT = 100, 5000


class Asked(NamedTuple):
    """A page of records: by cursor (start, limit) or by number, as the reference counts them."""

    start: str | None
    limit: int
    page: int | None = None


def limit(*also: str, name: str = "limit") -> int:
    """Return the number of rows that the caller wants on a page."""
    answers.check_query("start", "limit", *also)
    text = request.args.get(name)
    if text is None:
        return DEFAULT_LIMIT
    if NUMBER.fullmatch(text) is None or int(text) > MAX_LIMIT:
        raise Malformed(f"{name} is a number from 1 to {MAX_LIMIT}.")
    return int(text)


def number_start() -> int | None:
    """Return the entry number that the page begins with."""
    text = request.args.get("start")
    if text is None:
        return None
    if NUMBER.fullmatch(text) is None:
        raise Malformed("start is the number of the first entry on the page.")
    return int(text)


def number_of(name: str, default: int, most: int = 10**18) -> int:
    """Return a whole number of the query."""
    text = request.args.get(name)
    if text is None:
        return default
    if text != "0" and (NUMBER.fullmatch(text) is None or int(text) > most):
        limits = "" if most == 10**18 else f" of {most} at most"
        raise Malformed(f"{name} is a whole number{limits}.")
    return int(text)


def key_start() -> str | None:
    """Return the key that the page begins with."""
    text = request.args.get("start")
    if text is not None and not keys.is_key(text):
        raise Malformed("start is the key of the first record on the page.")
    return text


def records_asked(*also: str) -> Asked:
    """Return which records are asked for; page-index and page-size are the reference's own."""
    numbered = ("page-index", "page-size")
    if not request.args.keys() & set(numbered):
        size = limit(*numbered, *also)
        return Asked(key_start(), size)
    answers.check_query(*numbered, *also)
    size = limit(*numbered, *also, name="page-size")
    text = request.args.get("page-index", "1")
    if NUMBER.fullmatch(text) is None:
        raise Malformed("page-index is the number of a page, from 1 on.")
    return Asked(None, size, int(text))


def link(
    response: Response, path: Sequence[str], queries: dict[str, dict[str, object] | None]
) -> Response:
    """Add a Link (RFC 8288) for each relation that has a query; None means no such page."""
    for relation, query in queries.items():
        if query is not None:
            address = f"{answers.public_path(*path)}{answers.suffix()}?{urlencode(query)}"
            response.headers.add("Link", f'<{address}>; rel="{relation}"')
    return response


def link_pages(response: Response, path: Sequence[str], size: int, **starts: object) -> Response:
    """Add the links to the next and previous page of a list that goes by cursor."""
    queries: dict[str, dict[str, object] | None] = {
        relation: None if start is None else {"start": start, "limit": size}
        for relation, start in starts.items()
    }
    return link(response, path, queries)
