"""The log's own API: list, export, proofs, signed heads and verification."""

import base64
import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, jsonify, request, stream_with_context

from gateway import storage
from gateway.exchanges import export, query
from gateway.exchanges.book import Book
from gateway.exchanges.listing import time_of
from gateway.exchanges.verification import Verification
from gateway.storage import Wanted
from servicekit import merkle
from servicekit.access import public, scope, token
from servicekit.problems import Malformed, NotFound, Unavailable

EXPORTS = 2  # at once; each holds one of the few threads for as long as its reader takes
CHECKED, CHECKED_AT_MOST = 50_000, 200_000
OWN_CHECKED = 5_000
OVERVIEW, OWN = "exchanges.overview", "exchanges.own"


def asked(book: Book, args: Mapping[str, str]) -> tuple[Wanted, bool]:
    """Return what this reader asks for and may have, and whether that is everybody's."""
    reader, wanted = token(), query.wanted(args, book.seal, book.services)
    if OVERVIEW in reader.scopes:
        return wanted, True
    own = book.seal.index(reader.subject)
    if wanted.subject_index not in (None, own):
        raise Malformed("With exchanges.own, subject can only be yourself. Leave it out.")
    return replace(wanted, subject_index=own, disclosed_at_ms=query.now_ms(book.clock)), False


def blueprint(book: Book) -> Blueprint:
    """Return the views."""
    views = Blueprint("exchanges", __name__)
    exporting = threading.BoundedSemaphore(EXPORTS)

    @views.get("/exchanges")
    @scope(OVERVIEW, OWN)
    def exchanges() -> Response:
        wanted, sees_all = asked(book, request.args)
        page = query.page(request.args)
        book.settle()
        with book.database.snapshot() as session:
            # a delayed disclosure falls due without anything being written
            due = (wanted.disclosed_at_ms or 0) // 60_000
            seen = (storage.last_number(session), storage.erased_count(session),
                    book.feed.version, request.query_string, wanted.subject_index, due)  # fmt: skip
            etag = hashlib.sha256(repr(seen).encode()).hexdigest()[:32]
            if etag in request.if_none_match:
                response = Response(status=304)
                response.set_etag(etag)
                return response
            rows = storage.list_exchanges(
                session, wanted, limit=page.limit, before=page.before, after=page.after,
                oldest_first=page.reads_oldest_first,
            )  # fmt: skip
        more = len(rows) == page.limit
        rows.sort(key=lambda row: row["number"], reverse=page.order == "newest")
        response = jsonify(
            exchanges=[book.listing.show(row, with_subject=not sees_all) for row in rows],
            next=rows[-1]["number"] if rows and more else None,
        )
        numbers = [row["number"] for row in rows]
        if link := query.links(request.args, page, numbers, more=more):
            response.headers["Link"] = link
        response.headers["Cache-Control"] = "private, no-cache"
        response.set_etag(etag)
        return response

    @views.get("/exchanges/export")
    @scope(OVERVIEW, OWN)
    def export_exchanges() -> Response:
        wanted, sees_all = asked(book, request.args)
        written = export.format_of(request.args.get("format", "jsonl"))
        if not exporting.acquire(blocking=False):
            raise Unavailable("Others are exporting now. Try again shortly.", retry_after_s=10)
        book.settle()

        def show(row: Mapping[str, Any]) -> dict[str, Any]:
            return book.listing.show(row, with_subject=not sees_all)

        def body() -> Iterator[str]:
            yield from export.lines(book.database, wanted, show, written)

        response = Response(stream_with_context(body()), content_type=export.TYPES[written])
        response.call_on_close(exporting.release)
        response.headers["Content-Disposition"] = f'attachment; filename="exchanges.{written}"'
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @views.get("/exchanges/stream")
    @scope("exchanges.stream")
    def stream() -> Response:
        # only HEAD comes here: the stream itself is answered outside Flask (stream.py)
        return Response(content_type="text/event-stream; charset=utf-8")

    @views.get("/exchanges/checkpoint")
    @public
    def checkpoint() -> Response:
        book.settle()
        return _text(book.checkpoints.latest()[0], max_age_s=1)

    @views.get("/exchanges/checkpoint/key")
    @public
    def checkpoint_key() -> Response:
        return _text(f"{book.checkpoints.verifier}\n", max_age_s=60)

    @views.get("/exchanges/checkpoints")
    @public
    def checkpoints() -> Response:
        after = query.number(request.args, "after")
        with book.database.snapshot() as session:
            kept = storage.checkpoints(session, -1 if after is None else after, query.MAX_LIMIT)
        more = len(kept) == query.MAX_LIMIT
        return jsonify(
            checkpoints=[{"size": size, "checkpoint": text} for size, _, text in kept],
            next=kept[-1][0] if more else None,
        )

    @views.get("/exchanges/proofs/consistency/<old>/<new>")
    @public
    def consistency(old: str, new: str) -> Response:
        sizes = {"old": old, "new": new}
        first, second = (query.number(sizes, name, at_least=1) or 0 for name in sizes)
        with book.database.snapshot() as session:
            size = storage.tree_state(session)[0]
            if not first <= second <= size:
                raise NotFound(f"The log has {size} leaves; sizes go up to it, the older first.")
            path = merkle.consistency_path(first, second, storage.read_hashes(session, second))
        return jsonify(old=first, new=second, path=_base64(path))

    @views.get("/exchanges/<exchange>/proof")
    @scope(OVERVIEW, OWN)
    def proof(exchange: str) -> Response:
        wanted, sees_all = asked(book, {})
        book.settle()
        with book.database.snapshot() as session:
            row = storage.find_exchange(session, exchange[:64])
            begins_after = storage.tree_state(session)[2]
        is_own = row is not None and row["subject_index"] == wanted.subject_index
        hidden = row is not None and (row["disclose_at_ms"] or 0) > (wanted.disclosed_at_ms or 0)
        if (
            row is None
            or row["number"] <= begins_after
            or not (sees_all or (is_own and not hidden))
        ):
            raise NotFound("No entry with this id is among those that you may read.")
        index = row["number"] - 1 - begins_after
        text, head = book.checkpoints.latest(at_least=index + 1)
        with book.database.snapshot() as session:
            path = merkle.inclusion_path(index, head.size, storage.read_hashes(session, head.size))
        shown = {
            "exchange": row["exchange"],
            "index": index,
            "leaf": storage.canonical(row),
            "leaf_hash": _base64([storage.hash_of(row)])[0],
            "path": _base64(path),
            "checkpoint": text,
        }
        if is_own and not sees_all:
            salt, subject = book.seal.open_salted(row["subject_sealed"], row["exchange"])
            shown["opening"] = {"name": "subject", "value": subject, "salt": salt.hex()}
        return jsonify(shown)

    @views.get("/exchanges/verification")
    @scope(OVERVIEW, OWN)
    def verification() -> Response:
        wanted, sees_all = asked(book, {})
        after = query.number(request.args, "after") or 0
        limit = min(query.number(request.args, "limit", at_least=1) or CHECKED, CHECKED_AT_MOST)
        book.settle()
        text, head = book.checkpoints.to_check_against()
        with book.database.snapshot() as session:
            check = Verification(session, book.seal, book.checkpoints)
            if sees_all:
                report = check.of_all(head, after=after, limit=limit)
            else:
                rows = storage.list_exchanges(session, wanted, limit=OWN_CHECKED, after=after)
                report = check.of_some(rows, head)
                report.next = rows[-1]["number"] if len(rows) == OWN_CHECKED else None
            let_go = storage.erasures(session) if sees_all else []
        return jsonify(
            **report.document(),
            size=head.size,
            checkpoint=text,
            key=str(book.checkpoints.verifier),
            erasures=[
                {
                    "at": time_of(one["at_ms"]),
                    "reason": one["reason"],
                    "entries": one["entries"],
                }
                for one in let_go
            ],
        )

    return views


def _is_own(row: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether an entry is about the reader, who may know of it already."""
    if wanted.subject_index is None or row["subject_index"] != wanted.subject_index:
        return False
    return (row["disclose_at_ms"] or 0) <= (wanted.disclosed_at_ms or 0)


def _text(text: str, *, max_age_s: int) -> Response:
    response = Response(text, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={max_age_s}"
    return response


def _base64(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]
