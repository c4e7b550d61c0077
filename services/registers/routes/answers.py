"""How reads are answered: formats, paging links, caching, and what addresses may hold."""

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from flask import Response, current_app, request
from werkzeug.routing import BaseConverter

from servicekit.problems import Malformed, NotAcceptable, NotFound
from services.registers.problems import FormatGone, NoSuchProof

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

JSON, CSV = "application/json", "text/csv;charset=UTF-8"
SUFFIXES = {".json": JSON, ".csv": CSV}
# formats that early registers had; they answer 410 wherever those registers answered in them
GONE = (".tsv", ".ttl", ".yaml", ".xlsx")
_SUFFIX = "registers.suffix"
_OLD = re.compile(
    r"/registers/[^/]+/(?:v1/)?(?:register|records?|entr(?:y|ies)|items?|blobs|context|proofs?)"
    r"(?:/.*)?\.(?:tsv|ttl|yaml|xlsx)"
)
FOREVER = "public, max-age=31536000, immutable"
FRESH = "public, no-cache"  # keep it, but ask each time whether it changed
NUMBER = re.compile(r"[1-9][0-9]{0,17}")


class SuffixOff:
    """Takes ``.json`` or ``.csv`` off the end of an address and notes it in the environment.

    So each address is routed once, whatever format is asked for. Formats that are gone are taken
    off too where a register once had them.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Pass the request on."""
        path = environ.get("PATH_INFO", "")
        if suffix := _suffix_of(path):
            environ["PATH_INFO"], environ[_SUFFIX] = path.removesuffix(suffix), suffix
            if sent := environ.get("HTTP_ATOLL_PATH"):  # the same path, with its escapes
                environ["HTTP_ATOLL_PATH"] = sent.removesuffix(suffix)
        return self._application(environ, start)


def _suffix_of(path: str) -> str:
    if not path.startswith("/registers/") or path == "/registers/openapi.json":
        return ""
    if _OLD.fullmatch(path):
        return next(suffix for suffix in GONE if path.endswith(suffix))
    return next((suffix for suffix in SUFFIXES if path.endswith(suffix)), "")


class Key(BaseConverter):
    """The key of a record; a slash in it arrives as %2F and is a slash here."""

    def to_python(self, value: str) -> str:
        """Open the slashes that were kept shut on the way (``Atoll-Path``)."""
        return value.replace("%2F", "/")


def wanted(*available: str) -> str:
    """Return the content type to answer with: the suffix beats the Accept header.

    Raises NotAcceptable when neither names one that is available, and FormatGone.
    """
    if (ending := suffix()) in GONE:
        raise FormatGone(f"Registers answer in JSON and CSV, no longer in {ending[1:]}.")
    if ending:
        chosen = SUFFIXES[ending] if SUFFIXES[ending] in available else None
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


def check_query(*known: str) -> None:
    """Refuse a query that would be ignored, so that nobody takes all rows for some."""
    if unknown := request.args.keys() - set(known):
        allowed = f"takes {' and '.join(known)} only" if known else "takes no query"
        raise Malformed(f"This address {allowed}; {len(unknown)} other parameter was sent.")


def number_in_path(text: str) -> int:
    """Read an entry number or a size from the address; anything else is not there."""
    if re.fullmatch(r"[0-9]+", text) is None:
        raise NotFound("Entries are numbered from 1 in plain digits.")
    if NUMBER.fullmatch(text) is None:
        return 0 if set(text) == {"0"} else 10**18
    return int(text)


def size_in_path(text: str, size: int) -> int:
    """Read a size of the log from the address; raises Malformed for one it has not reached."""
    number = number_in_path(text)
    if number > size:
        raise Malformed(f"The log has {size} entries; it has not reached the size asked for.")
    return number


def number_in_proof(text: str, low: int, high: int, name: str) -> int:
    """Read a number of a proof's address and check its range."""
    number = number_in_path(text)
    if not low <= number <= high:
        raise NoSuchProof(f"The {name} must be from {low} to {high}.")
    return number


def argument(name: str) -> str | None:
    """Return a parameter of the query."""
    return request.args.get(name)


def etag(written_hash: str, kind: str) -> str:
    """Return the tag of an answer that shows the item with this hash."""
    return written_hash + ("" if kind == JSON else ".csv")


def public_host() -> str:
    """Return the host under which the outside reaches the platform."""
    return str(urlsplit(current_app.config["ATOLL_SETTINGS"].public_url).netloc)


def public_path(*parts: str) -> str:
    """Return the public address of a path under /registers."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{current_app.config['ATOLL_SETTINGS'].public_url}/registers/{path}"


def suffix() -> str:
    """Return the format that the address ends in, or nothing."""
    return str(request.environ.get(_SUFFIX, ""))


def allow_everyone(response: Response) -> Response:
    """Let pages of any origin read (CORS): all that is here is public."""
    if request.method in ("GET", "HEAD"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Link"
    return response
