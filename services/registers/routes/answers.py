"""How reads are answered: formats, paging links, caching, and what addresses may hold."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from flask import Response, current_app, request
from werkzeug.routing import BaseConverter

from servicekit.problems import Malformed, NotAcceptable, NotFound
from services.registers.problems import NoSuchProof

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

JSON, CSV = "application/json", "text/csv;charset=UTF-8"
SUFFIXES = {".json": JSON, ".csv": CSV}
_SUFFIX = "registers.suffix"
FOREVER = "public, max-age=31536000, immutable"
FRESH = "public, no-cache"  # keep it, but ask each time whether it changed
DEFAULT_LIMIT, MAX_LIMIT = 100, 5000
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


class SuffixOff:
    """Takes ``.json`` or ``.csv`` off the end of an address and notes it in the environment.

    So each address is routed once, whatever format is asked for.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Pass the request on."""
        path = environ.get("PATH_INFO", "")
        suffix = next((suffix for suffix in SUFFIXES if path.endswith(suffix)), "")
        if suffix and path.startswith("/registers/") and path != "/registers/openapi.json":
            environ["PATH_INFO"], environ[_SUFFIX] = path.removesuffix(suffix), suffix
        return self._application(environ, start)


class Key(BaseConverter):
    """The key of a record; a slash in it arrives as %2F and is a slash here."""

    regex = r".+?"
    part_isolating = False


def wanted(*available: str) -> str:
    """Return the content type to answer with: the suffix beats the Accept header.

    Raises NotAcceptable when neither names one that is available.
    """
    if suffix := _suffix():
        chosen = SUFFIXES[suffix] if SUFFIXES[suffix] in available else None
    elif not request.accept_mimetypes:
        chosen = available[0]
    else:
        short = {kind.partition(";")[0]: kind for kind in available}
        best = request.accept_mimetypes.best_match(list(short))
        chosen = short[best] if best else None
    if chosen is None:
        names = " or ".join(kind.partition(";")[0] for kind in available)
        raise NotAcceptable(f"This address answers in {names}. Ask for one with Accept.")
    return chosen


def answer(
    body: str, content_type: str = JSON, *, etag: str | None = None, cache: str = FRESH
) -> Response:
    """Answer a read, with 304 when the caller holds this very answer (RFC 9110 section 13)."""
    data = body.encode()
    response = Response(data, content_type=content_type)
    response.set_etag(etag or hashlib.sha256(data).hexdigest()[:32])
    response.headers["Cache-Control"] = cache
    response.headers["Vary"] = "Accept"
    response.make_conditional(request)
    return response


def limit() -> int:
    """Return the number of rows that the caller wants on a page."""
    check_query("start", "limit")
    text = request.args.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if _NUMBER.fullmatch(text) is None or int(text) > MAX_LIMIT:
        raise Malformed(f"limit is a number from 1 to {MAX_LIMIT}.")
    return int(text)


def check_query(*known: str) -> None:
    """Refuse a query that would be ignored, so that nobody takes all rows for some."""
    if unknown := request.args.keys() - set(known):
        allowed = f"takes {' and '.join(known)} only" if known else "takes no query"
        raise Malformed(f"This address {allowed}; {len(unknown)} other parameter was sent.")


def number_start() -> int | None:
    """Return the entry number that the page begins with."""
    text = request.args.get("start")
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise Malformed("start is the number of the first entry on the page.")
    return int(text)


def number_in_path(text: str) -> int:
    """Read an entry number or a size from the address; anything else is not there."""
    if re.fullmatch(r"[0-9]+", text) is None:
        raise NotFound("Entries are numbered from 1 in plain digits.")
    if _NUMBER.fullmatch(text) is None:
        return 0 if set(text) == {"0"} else 10**18
    return int(text)


def number_in_proof(text: str, low: int, high: int, name: str) -> int:
    """Read a number of a proof's address and check its range."""
    number = number_in_path(text)
    if not low <= number <= high:
        raise NoSuchProof(f"The {name} must be from {low} to {high}.")
    return number


def public_path(*parts: str) -> str:
    """Return the public address of a path under /registers."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{current_app.config['ATOLL_SETTINGS'].public_url}/registers/{path}"


def link_pages(response: Response, path: Sequence[str], size: int, **starts: object) -> Response:
    """Add a Link to the next and previous page (RFC 8288); a start of None means no such page."""
    for relation, start in starts.items():
        if start is not None:
            query = urlencode({"start": start, "limit": size})
            response.headers.add(
                "Link", f'<{public_path(*path)}{_suffix()}?{query}>; rel="{relation}"'
            )
    return response


def _suffix() -> str:
    return str(request.environ.get(_SUFFIX, ""))


def allow_everyone(response: Response) -> Response:
    """Let pages of any origin read (CORS): all that is here is public."""
    if request.method in ("GET", "HEAD"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Link"
    return response
