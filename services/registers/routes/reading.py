"""Reading registers in version 2: context, records, entries, blobs, each as JSON or CSV."""

from flask import Blueprint, Response, request

from servicekit.access import public
from servicekit.problems import Malformed, NotFound
from services.registers.domain import forms, keys, objecthash
from services.registers.routes import answers, asof, documents, listing, paging
from services.registers.routes.answers import CSV, FOREVER, JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import heads, log, system

blueprint = Blueprint("reading", __name__, url_prefix="/registers")
blueprint.after_request(answers.allow_everyone)


@blueprint.get("")
@public
def list_registers() -> Response:
    """List every register with its size and tree head."""
    answers.wanted(JSON)
    answers.check_query()
    with database().snapshot() as session:
        registers = heads.all_registers(session)
    return answers.answer(documents.registers(registers))


@blueprint.get("/<register>/context")
@public
def context(register: str) -> Response:
    """Describe a register: fields, statistics, tree head."""
    answers.wanted(JSON)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        ended = system.ended(session, found["id"]) if found["state"] == "archived" else None
    return answers.answer(documents.context(found, ended))


@blueprint.get("/<register>/records")
@public
def records(register: str) -> Response:
    """List records in the order of their keys."""
    return listing.records(register, (), documents.records)


@blueprint.get("/<register>/records/<key:key>")
@public
def record(register: str, key: str) -> Response:
    """Show one record, as it is or as it was."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query(*asof.NAMES)
    if request.args:
        return _record_as_it_was(register, key, kind)
    with database().snapshot() as session:
        row = log.find_record(session, register, key) if _findable(register, key) else None
        if row is None or kind == CSV:
            found = register_or_404(session, register)
        if row is None and keys.is_key(key):  # a draft's record is found by its keepers alone
            row = log.record_at(session, found["id"], key, found["size"])
    if row is None:
        raise listing.no_record()
    body = (
        forms.with_id(row.key, row.content)
        if kind == JSON
        else documents.items(found, [(row.key, row.content)], kind, single=True)
    )
    response = answers.answer(body, kind, etag=answers.etag(objecthash.multihash(row.hash), kind))
    history = answers.public_path(register, "records", key, "entries")
    response.headers.add("Link", f'<{history}>; rel="version-history"')
    return response


@blueprint.get("/<register>/records/<key:key>/entries")
@public
def record_entries(register: str, key: str) -> Response:
    """List the entries of one record, oldest first."""
    return listing.entries(register, (), documents.entries_list, key)


@blueprint.get("/<register>/entries")
@public
def entries(register: str) -> Response:
    """List entries, oldest first."""
    return listing.entries(register, (), documents.entries_list)


@blueprint.get("/<register>/entries/<number>")
@public
def entry(register: str, number: str) -> Response:
    """Show one entry; it never changes."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    wanted = answers.number_in_path(number)
    with database().snapshot() as session:
        row = log.find_entry(session, register, wanted) if keys.is_name(register) else None
        if row is None:
            found = register_or_404(session, register)
            rows = log.entries_between(session, found["id"], wanted, wanted)
            row = rows[0] if rows else None
    if row is None:
        raise NotFound("The register has no entry of this number.")
    return answers.answer(documents.entries([row], kind, single=True), kind, cache=FOREVER)


@blueprint.get("/<register>/blobs")
@public
def blobs(register: str) -> Response:
    """List blobs in the order of their hashes."""
    kind, limit = answers.wanted(JSON, CSV), paging.limit()
    text = request.args.get("start")
    start = None if text is None else objecthash.digest_of(text)
    if text is not None and start is None:
        raise Malformed("start is the hash (1220…) of the first blob on the page.")
    with database().snapshot() as session:
        found = register_or_404(session, register)
        page = log.blobs_page(session, found["id"], start, limit)
    rows = [(objecthash.multihash(row.hash), row.content) for row in page.rows]
    response = answers.answer(documents.items(found, rows, kind), kind)
    cursors = {
        relation: None if digest is None else objecthash.multihash(digest)
        for relation, digest in (("next", page.next), ("previous", page.previous))
    }
    return paging.link_pages(response, (register, "blobs"), limit, **cursors)


@blueprint.get("/<register>/blobs/<blob_hash>")
@public
def blob(register: str, blob_hash: str) -> Response:
    """Show the item with this hash; it never changes."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    digest = objecthash.digest_of(blob_hash)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        row = log.find_blob(session, register, digest) if digest else None
    if row is None:
        raise NotFound("The register has no blob with this hash.")
    body = documents.items(found, [(blob_hash, row.content)], kind, single=True)
    return answers.answer(
        body, kind, etag=answers.etag(objecthash.multihash(row.hash), kind), cache=FOREVER
    )


@blueprint.get("/<register>/snapshots/<size>")
@public
def snapshot(register: str, size: str) -> Response:
    """List each key's latest entry as of a size of the log; it never changes."""
    kind, limit, start = answers.wanted(JSON, CSV), paging.limit(), paging.key_start()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        at = answers.size_in_path(size, found["size"])
        page = log.records_at(session, found["id"], at, start, limit)
    rows = [(row.number, row.timestamp, row.key, row.hash) for row in page.rows]
    response = answers.answer(documents.entries(rows, kind), kind, cache=FOREVER)
    path = (register, "snapshots", str(at))
    return paging.link_pages(response, path, limit, next=page.next, previous=page.previous)


@blueprint.get("/<register>/snapshots/<size>/<key:key>")
@public
def snapshot_of_record(register: str, size: str, key: str) -> Response:
    """Show a key's latest entry as of a size of the log; it never changes."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        at = answers.size_in_path(size, found["size"])
        row = log.record_at(session, found["id"], key, at) if keys.is_key(key) else None
    if row is None:
        raise listing.no_record()
    entry = (row.number, row.timestamp, row.key, row.hash)
    return answers.answer(documents.entries([entry], kind, single=True), kind, cache=FOREVER)


def _record_as_it_was(register: str, key: str, kind: str) -> Response:
    with database().snapshot() as session:
        found = register_or_404(session, register)
        size = asof.size_asked(session, found)
        assert size is not None  # noqa: S101 (the query asks for one)
        row = log.record_at(session, found["id"], key, size) if keys.is_key(key) else None
        if row is None:
            raise listing.no_record()
        body = documents.items(found, [(row.key, row.content)], kind, single=True)
        tag = answers.etag(objecthash.multihash(row.hash), kind)
        return asof.say_when(session, answers.answer(body, kind, etag=tag), found, size)


def _findable(register: str, key: str) -> bool:
    return keys.is_name(register) and keys.is_key(key)
