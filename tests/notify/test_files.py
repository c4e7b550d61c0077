"""Files by link: kept encrypted, opened by their link and the recipient's address."""

import base64
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from servicekit.database import Database
from services.notify.domain import files
from services.notify.storage.tables import Document
from tests.conftest import GATEWAY_KEY
from tests.notify.conftest import DEMO_ID, Api
from tests.notify.test_messages import PERSONALISATION, TEXT, file, send

HERS = "functional.test@people.example"
LINK = re.compile(r"http://localhost:8000(/d/[0-9a-f-]{36}/[0-9a-f-]{36})\?key=([\w-]{43})")
Open = Callable[..., Any]


@pytest.fixture
def page(demo: Api) -> Open:
    """Open the page of a link, or send its form."""

    def call(link: str, email: str | None = None, **options: Any) -> Any:
        path = link.removeprefix("http://localhost:8000")
        if email is not None:
            options |= {"method": "POST", "data": {"email_address": email}}
        return demo.client.open(
            path, headers={"Atoll-Gateway-Key": GATEWAY_KEY, "Accept": "text/html"}, **options
        )

    return call


def link_in(demo: Api, store: Database, changes: dict[str, Any] | None = None) -> str:
    """Send an email whose only value is a file; return the link in its body."""
    changes = changes or {"personalisation": {"name": {"file": TEXT, "filename": "a.csv"}}}
    answer = send(demo, "email", changes)
    assert answer.status_code == 201
    found = LINK.search(answer.json["content"]["body"])
    assert found
    return found[0]


def test_a_file_is_downloaded_with_its_link_and_address(
    demo: Api, store: Database, page: Open
) -> None:
    link = link_in(demo, store)
    shown = page(link)
    assert shown.status_code == 200
    assert "Demonstration service sent you a file" in shown.text
    assert "a.csv" in shown.text
    assert shown.headers["X-Robots-Tag"] == "noindex, nofollow"
    got = page(link, " Functional.Test@people.example")
    assert got.data == b"a,b"
    assert got.headers["Content-Disposition"] == "attachment; filename=a.csv"
    assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert got.mimetype == "text/csv"


def test_the_page_is_in_dhivehi_too_and_keeps_its_key(
    demo: Api, store: Database, page: Open
) -> None:
    link = link_in(demo, store)
    shown = page(f"{link}&lang=dv")
    assert 'lang="dv" dir="rtl"' in shown.text
    assert "މިސާލު ޚިދުމަތް" in shown.text
    key = link.partition("?key=")[2]
    assert shown.text.count(key) >= 2, "in the form and in the switch of language"


def test_another_address_opens_nothing(demo: Api, store: Database, page: Open) -> None:
    link = link_in(demo, store)
    for address, words in (
        ("someone@people.example", "This is not the email address the file was sent to"),
        ("nobody", "Enter an email address in the correct format"),
    ):
        answer = page(link, address)
        assert answer.status_code == 400
        assert words in answer.text
        assert b"a,b" not in answer.data


def test_guesses_are_limited_and_allowed_again_after_a_while(
    demo: Api, store: Database, page: Open
) -> None:
    link = link_in(demo, store)
    statuses = [page(link, f"guess{n}@people.example").status_code for n in range(50)]
    assert statuses == [400] * 50
    waiting = page(link, HERS)
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (429, "300")
    demo.clock.advance(seconds=301)
    assert page(link, HERS).data == b"a,b"


def test_a_file_without_the_check_needs_its_link_only(
    demo: Api, store: Database, page: Open
) -> None:
    options = {"file": TEXT, "confirm_email_before_download": False, "retention_period": "1 week"}
    link = link_in(demo, store, {"personalisation": {"name": options}})
    assert "email_address" not in page(link).text
    assert page(link, "").data == b"a,b"
    demo.clock.advance(weeks=1, seconds=1)
    assert page(link).status_code == 404


@pytest.mark.parametrize(
    "broken",
    [
        lambda link: link.partition("?")[0],
        lambda link: link[:-1],
        lambda link: link[:-4] + ("AAAA" if not link.endswith("AAAA") else "BBBB"),
        lambda link: link + "%FF",
        lambda link: link.replace(DEMO_ID, "00000000-0000-4000-8000-000000000000"),
        lambda link: link.replace(DEMO_ID, "x"),
    ],
)
def test_a_broken_link_opens_nothing(
    demo: Api, store: Database, page: Open, broken: Callable[[str], str]
) -> None:
    link = link_in(demo, store)
    for email in (None, HERS):
        answer = page(broken(link), email)
        assert answer.status_code == 404
        assert "No longer available" in answer.text


def test_the_store_holds_neither_content_nor_key_nor_address(demo: Api, store: Database) -> None:
    secret = b"Zubeydha-9981"
    sent = {"file": base64.b64encode(secret).decode(), "filename": "Zubeydha.txt"}
    key = link_in(demo, store, {"personalisation": {"name": sent}}).partition("?key=")[2]
    with store.snapshot() as session:
        [row] = session.scalars(select(Document))
        kept = b"".join(str(getattr(row, c.key)).encode() for c in Document.__table__.columns)
        kept += row.sealed_facts + row.sealed_content
    for private in (secret, b"Zubeydha", HERS.encode(), base64.urlsafe_b64decode(key + "=")):
        assert private not in kept


def test_a_placeholder_that_the_template_lacks_is_taken(demo: Api, store: Database) -> None:
    assert send(demo, "email", file()).status_code == 201
    nulls = dict.fromkeys(("filename", "confirm_email_before_download", "retention_period"))
    assert send(demo, "email", file(**nulls)).status_code == 201
    assert (
        send(demo, "email", {"personalisation": {"name": {"k": "v"}}})
        .json["content"]["body"]
        .startswith("Hello {'k': 'v'}")
    )


def test_a_simulated_recipient_gets_a_link_to_nothing(demo: Api, store: Database) -> None:
    simulated = {"email_address": "simulate-delivered@notifications.service.gov.uk"}
    answer = send(demo, "email", simulated | {"personalisation": {"name": {"file": TEXT}}})
    assert f"/services/{DEMO_ID}/documents/test-document" in answer.json["content"]["body"]
    with store.snapshot() as session:
        assert list(session.scalars(select(Document))) == []
    assert set(PERSONALISATION) == {"name"}


def archive(**contents: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        for name, content in contents.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (b"%PDF-1.5 testpdf", "pdf"),
        (b"a,b", "txt"),
        (b'{"a": 1}', "json"),
        (b"{not json", "txt"),
        (b"{\\rtf1 x}", "rtf"),
        (b"\x89PNG\r\n\x1a\n...", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc"),
        (archive(**{"[Content_Types].xml": "", "word/document.xml": ""}), "docx"),
        (archive(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "xlsx"),
        (archive(mimetype=files.TYPES["odt"]), "odt"),
        (archive(other="x"), None),
        (b"PK\x03\x04broken", None),
        (b"MZ\x90", None),
        (b"<!DOCTYPE html><script>", None),
        (b" <svg onload=1>", None),
        (b"a\x00b", None),
        ("ދިވެހި".encode(), "txt"),
    ],
)
def test_a_files_type_is_told_by_its_content(content: bytes, extension: str | None) -> None:
    assert files.sniffed(content)[0] == extension


def test_a_text_may_be_named_and_nothing_may_be_disguised() -> None:
    def kind(content: bytes, **options: Any) -> str:
        sent = {"file": base64.b64encode(content).decode(), **options}
        return files.read(sent).mime

    assert kind(b"a,b") == "text/plain"
    assert kind(b"a,b", is_csv=True) == "text/csv"
    assert kind(b"a,b", filename="x.csv") == "text/csv"
    assert kind(b"\xff\xd8\xff", filename="photo.JPG") == "image/jpeg"
    for content, name in ((b"a,b", "x.pdf"), (b"MZ", "x.pdf"), (b"%PDF-", "x.exe")):
        with pytest.raises(files.InvalidFile, match="Unsupported file type"):
            kind(content, filename=name)


@given(st.binary(max_size=200))
def test_any_content_has_a_type_or_none(content: bytes) -> None:
    extension, mime = files.sniffed(content)
    assert extension is None or files.TYPES[extension] == mime
