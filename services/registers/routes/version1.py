"""Reading registers in version 1: register, records, entries, items, each as JSON or CSV."""

from flask import Blueprint, Response

from servicekit.access import public
from servicekit.problems import Malformed, NotFound
from services.registers.domain import canonical, forms_v1, keys
from services.registers.routes import answers, documents, documents_v1, listing, paging
from services.registers.routes.answers import CSV, FOREVER, JSON
from services.registers.routes.state import database, register_or_404
from services.registers.storage import log, system

blueprint = Blueprint("version1", __name__, url_prefix="/registers")
blueprint.after_request(answers.allow_everyone)
V1 = ("v1",)


@blueprint.get("/<register>/v1/register")
@blueprint.get("/<register>/register", endpoint="register_beside_v2")
@public
def register_resource(register: str) -> Response:
    """Describe a register as version 1 does; its suite asks version 2 for it too."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        declared = documents.declared(system.entries(session, found["id"]))
    body = documents_v1.register(found, declared, answers.public_host())
    if kind == CSV:
        body = documents_v1.register_csv(found, declared)
    return answers.answer(body, kind)


@blueprint.get("/<register>/v1/records")
@public
def records(register: str) -> Response:
    """List records in the order of their keys."""
    return listing.records(register, V1, documents_v1.records)


@blueprint.get("/<register>/v1/records/<key:key>")
@public
def record(register: str, key: str) -> Response:
    """Show one record."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        row = log.find_record(session, register, key) if keys.is_key(key) else None
    if row is None:
        raise listing.no_record()
    tag = f"{row.number}-{answers.etag(canonical.write_hash(row.item_hash), kind)}"
    response = answers.answer(documents_v1.records(found, [row], kind), kind, etag=tag)
    history = answers.public_path(register, *V1, "records", key, "entries")
    response.headers.add("Link", f'<{history}>; rel="version-history"')
    return response


@blueprint.get("/<register>/v1/records/<key:key>/entries")
@public
def record_entries(register: str, key: str) -> Response:
    """List the entries of one record, oldest first."""
    return listing.entries(register, V1, documents_v1.entries, key)


@blueprint.get("/<register>/v1/records/<field>/<value>")
@public
def records_with_value(register: str, field: str, value: str) -> Response:
    """List the records whose field has a value, exactly."""
    kind = answers.wanted(JSON, CSV)
    asked = paging.Asked(paging.key_start(), paging.limit())
    value = value.replace("%2F", "/")
    with database().snapshot() as session:
        found = register_or_404(session, register)
        return listing.faceted(
            session, found, (field, value), V1, documents_v1.records, kind, asked
        )


@blueprint.get("/<register>/v1/entries")
@public
def entries(register: str) -> Response:
    """List entries, oldest first."""
    return listing.entries(register, V1, documents_v1.entries)


@blueprint.get("/<register>/v1/entries/<number>")
@public
def entry(register: str, number: str) -> Response:
    """Show one entry, in a list of its own; it never changes."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    wanted = answers.number_in_path(number)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        row = log.find_entry(session, register, wanted)
    if row is None:
        raise NotFound("The register has no entry of this number.")
    return answers.answer(documents_v1.entries(found, [row], kind), kind, cache=FOREVER)


@blueprint.get("/<register>/v1/items")
@public
def items(register: str) -> Response:
    """List items in the order of their hashes."""
    kind, limit = answers.wanted(JSON, CSV), paging.limit()
    start = _hash_start()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        page = log.items_page(session, found["id"], start, limit)
    rows = [(row.item_hash, row.content) for row in page.rows]
    response = answers.answer(documents_v1.items(found, rows, kind), kind)
    cursors = {
        relation: None if digest is None else canonical.write_hash(digest)
        for relation, digest in (("next", page.next), ("previous", page.previous))
    }
    return paging.link_pages(response, (register, *V1, "items"), limit, **cursors)


@blueprint.get("/<register>/v1/items/<item_hash>")
@public
def item(register: str, item_hash: str) -> Response:
    """Show the item with this hash; it never changes."""
    kind = answers.wanted(JSON, CSV)
    answers.check_query()
    digest = canonical.read_hash(item_hash)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        content = log.find_item(session, register, digest) if digest else None
    if digest is None or content is None:
        raise NotFound("The register has no item with this hash.")
    body = content
    if kind == CSV:
        body = forms_v1.items_csv(documents.field_names(found), [content])
    tag = answers.etag(item_hash, kind)
    return answers.answer(body, kind, etag=tag, cache=FOREVER)


def _hash_start() -> bytes | None:
    text = answers.argument("start")
    start = None if text is None else canonical.read_hash(text)
    if text is not None and start is None:
        raise Malformed("start is the hash (sha-256:…) of the first item on the page.")
    return start
