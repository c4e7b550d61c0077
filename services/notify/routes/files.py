"""The download page of a file that was sent as a link; the key in the link opens it."""

from typing import Any

from flask import Response, make_response, render_template, request
from werkzeug.http import dump_options_header

from servicekit import access
from servicekit.pages import language
from services.notify import documents
from services.notify.components import components
from services.notify.documents import Facts
from services.notify.domain import email_address
from services.notify.routes.blueprint import own
from services.notify.storage import contents, services
from services.notify.storage.tables import Document, Service
from services.notify.vault import FileKey

Opened = tuple[Document, Facts, FileKey]


@own.get("/d/<service_id>/<document_id>")
@access.public
def show_file(service_id: str, document_id: str) -> Response:
    """Tell what the file is, and ask for the email address that it was sent to."""
    service, opened = _open(service_id, document_id, request.args.get("key", ""))
    if opened is None:
        return _page(service, "file_gone_title", status=404, notice="file_gone")
    return _page(service, "file_title", opened=opened)


@own.post("/d/<service_id>/<document_id>")
@access.public
def download_file(service_id: str, document_id: str) -> Response:
    """Hand the file out to whoever has the link and knows the address that it went to."""
    service, opened = _open(service_id, document_id, request.args.get("key", ""))
    if opened is None:
        return _page(service, "file_gone_title", status=404, notice="file_gone")
    document, facts, key = opened
    if facts.needs_email:
        given = request.form.get("email_address", "")[:400]
        try:
            address = email_address.parse(given)
        except email_address.InvalidEmail:
            return _page(service, "file_title", 400, opened=opened, fault="file_not_email")
        parts = components()
        with parts.database.transaction() as session:
            counted = contents.count_try(session, document.id, parts.clock.now())
        if not counted:
            waiting = _page(service, "file_wait_title", status=429, notice="file_wait")
            waiting.headers["Retry-After"] = str(int(contents.TRIES_WITHIN.total_seconds()))
            return waiting
        if not facts.is_for(address, key):
            return _page(service, "file_title", 400, opened=opened, fault="file_not_yours")
    return _attachment(documents.content(document, key), facts)


def _open(service_id: str, document_id: str, key: str) -> tuple[Service | None, Opened | None]:
    """Return the sender and, when the link is whole and its time not over, the file."""
    parts, file_key = components(), documents.key_of(key)
    if not documents.is_id(service_id) or not documents.is_id(document_id):
        return None, None
    with parts.database.snapshot() as session:
        service = services.find(session, service_id)
        document = contents.document(session, service_id, document_id, parts.clock.now())
    if document is None or file_key is None:
        return service, None
    facts = documents.facts(document, file_key)
    return service, (document, facts, file_key) if facts else None


def _page(
    service: Service | None,
    title: str,
    status: int = 200,
    *,
    opened: Opened | None = None,
    fault: str | None = None,
    notice: str | None = None,
) -> Response:
    values: dict[str, Any] = {}
    if opened is not None:
        document, facts, _ = opened
        values = {
            "facts": facts,
            "size": _size(facts.size),
            "day": f"{document.expires_at:%Y-%m-%d}",
            "key": request.args.get("key", ""),
            "given": request.form.get("email_address", "")[:400],
        }
    response = make_response(
        render_template(
            "file.html",
            title=title,
            fault=fault,
            notice=notice,
            sender=_name(service),
            contact=service.file_contact if service else None,
            **values,
        ),
        status,
    )
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _name(service: Service | None) -> str:
    return service.name.get(language(), service.name["en"]) if service else ""


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MB" if count >= 100 * 1024 else f"{count / 1024:.1f} KB"


def _attachment(content: bytes, facts: Facts) -> Response:
    response = Response(content, mimetype=facts.mime)
    ascii_name = "".join(c if c.isascii() and c.isprintable() else "_" for c in facts.name)
    response.headers["Content-Disposition"] = dump_options_header(
        "attachment", {"filename": ascii_name} | _full_name(facts.name, ascii_name)
    )
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _full_name(name: str, ascii_name: str) -> dict[str, str]:
    return {} if name == ascii_name else {"filename*": name}
