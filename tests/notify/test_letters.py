"""Letters: from a template or as a finished PDF, judged, read back byte for byte."""

import base64
import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
from sqlalchemy import select, update

from servicekit.database import Database
from services.notify.domain.countries import COUNTRIES
from services.notify.rendering import fonts, letter, pages, tagged
from services.notify.storage.tables import DeliveryAttempt, Job, Letter, Notification, Template
from services.notify.worker import Worker
from tests.notify.conftest import TEMPLATES, Api
from tests.notify.test_messages import ADDRESS, said, send

RUNNING = threading.Event()
HOME = {
    "address_line_1": "Aishath Demo",
    "address_line_2": "Finivaage",
    "address_line_3": "K. Thulusdhoo",
    "licence": "FV-0007",
    "vessel": "Kandu Koe",
}


def pdf(count: int = 1, size: tuple[float, float] = (595.28, 841.89), **options: Any) -> bytes:
    writer = PdfWriter()
    for _ in range(count):
        writer.add_blank_page(*size)
    if "script" in options:
        action = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject(options["script"])}
        action_of = DictionaryObject({NameObject(k): v for k, v in action.items()})
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(action_of)
    if "password" in options:
        writer.encrypt(options["password"], algorithm="AES-256")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def precompiled(api: Api, content: bytes, **options: Any) -> Any:
    body = {"reference": "R-1", "content": base64.b64encode(content).decode()}
    return api.call("POST", "/v2/notifications/letter", body, **options)


def shown(api: Api, sent: Any) -> Any:
    return api.call("GET", f"/v2/notifications/{sent.json['id']}").json


def read(content: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(content))


def test_a_letter_is_made_from_a_template_and_read_back(demo: Api, worker: Worker) -> None:
    sent = send(demo, "letter", {"reference": "R-2"})
    assert sent.status_code == 201
    assert sent.json["content"] == {"subject": "Main heading", "body": "Hello Amala"}
    assert sent.json["scheduled_for"] is None
    before = shown(demo, sent)
    assert (before["status"], before["is_cost_data_ready"]) == ("accepted", False)
    worker.work(RUNNING)
    after = shown(demo, sent)
    assert after["status"] == "received"
    assert after["line_1"] == "Amala"
    assert after["line_3"] is None
    assert after["postcode"] == "SW1 1AA"
    assert after["postage"] == "second"
    assert after["estimated_delivery"] > after["created_at"]
    assert after["cost_details"] == {"billable_sheets_of_paper": 1, "postage": "second"}
    assert after["cost_in_pounds"] == COUNTRIES["GB"].letter_base["second"]
    answer = demo.call("GET", f"/v2/notifications/{sent.json['id']}/pdf")
    assert answer.mimetype == "application/pdf"
    made = read(answer.data)
    assert made.metadata is not None
    assert made.metadata.title == "Main heading"
    assert made.trailer["/Root"]["/Lang"] == "en"  # type: ignore[index]
    text = made.pages[0].extract_text()
    for line in ("Amala", "1 High Street", "SW1 1AA", "10 Whitechapel High Street"):
        assert line in text


def test_a_test_keys_letter_starts_at_sending_and_reaches_no_inbox(
    api: Api, worker: Worker, inbox: Callable[..., Any], store: Database
) -> None:
    body = {"template_id": TEMPLATES["letter"], "personalisation": HOME}
    sent = api.call("POST", "/v2/notifications/letter", body, key="test")
    with store.snapshot() as session:
        assert session.scalar(select(Notification.status)) == "sending"
    worker.work(RUNNING)
    assert shown(api, sent)["status"] == "received"
    assert inbox().json["messages"] == []


def test_a_letter_arrives_in_the_inbox_with_its_pages(
    api: Api, worker: Worker, inbox: Callable[..., Any]
) -> None:
    body = {"template_id": TEMPLATES["letter"], "personalisation": HOME}
    sent = api.call("POST", "/v2/notifications/letter", body).json
    worker.work(RUNNING)
    [message] = inbox(query="?channel=letter").json["messages"]
    assert message["id"] == sent["id"]
    assert message["to"] == "Aishath Demo\nFinivaage\nK. Thulusdhoo"
    assert message["subject"] == "Licence FV-0007 for Kandu Koe"
    assert message["pdf"] == f"/notify/inbox/{sent['id']}/pdf"
    pages_of = inbox(query=f"/{sent['id']}/pdf")
    assert pages_of.data.startswith(b"%PDF-")
    assert pages_of.headers["Content-Security-Policy"].startswith("sandbox")
    assert pages_of.headers["Content-Disposition"].startswith("attachment")
    assert pages_of.headers["Atoll-Categories"] == "messages"
    assert inbox("ibrahim", f"/{sent['id']}/pdf").status_code == 404


@pytest.mark.parametrize("key", ["live", "test"])
def test_a_finished_letter_comes_back_byte_for_byte(demo: Api, worker: Worker, key: str) -> None:
    content = pdf(3)
    sent = precompiled(demo, content, key=key)
    assert sent.status_code == 201
    assert sent.json == {"id": sent.json["id"], "reference": "R-1", "postage": "second"}
    assert shown(demo, sent)["status"] == "pending-virus-check"
    worker.work(RUNNING)
    after = shown(demo, sent)
    assert after["status"] == "received"
    assert after["cost_details"]["billable_sheets_of_paper"] == 2
    assert after["template"]["version"] == 1
    assert demo.call("GET", f"/v2/notifications/{sent.json['id']}/pdf").data == content
    assert demo.call("GET", f"/v2/template/{after['template']['id']}").status_code == 200
    names = [one["name"] for one in demo.call("GET", "/v2/templates").json["templates"]]
    assert "Pre-compiled PDF" not in names


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", "validation-failed"),
        (b"%PDF-1.5 testpdf", "validation-failed"),
        (pdf(11), "validation-failed"),
        (pdf(size=(612, 792)), "validation-failed"),
        (pdf(password="x"), "validation-failed"),
        (pdf(script="app.alert(1)"), "virus-scan-failed"),
        (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!", "virus-scan-failed"),
        (pdf() + b"\x00" * 10, "delivered"),
    ],
)
def test_finished_letters_are_judged(
    demo: Api, worker: Worker, content: bytes, status: str
) -> None:
    sent = precompiled(demo, content)
    worker.work(RUNNING)
    after = shown(demo, sent)
    assert after["status"] == {"delivered": "received"}.get(status, status)
    if status != "delivered":
        assert after["cost_in_pounds"] == 0.0


PDF = [
    ("sms", "created", "Notification is not a letter", "BadRequestError"),
    ("letter", "virus-scan-failed", "File did not pass the virus scan", "BadRequestError"),
    (
        "letter",
        "technical-failure",
        "PDF not available for letters in status technical-failure",
        "BadRequestError",
    ),
    (
        "letter",
        "pending-virus-check",
        "PDF not available yet, try again later",
        "PDFNotReadyError",
    ),
    ("letter", "created", "PDF not available yet, try again later", "PDFNotReadyError"),
]


@pytest.mark.parametrize(("channel", "status", "message", "error"), PDF)
def test_why_there_is_no_pdf_is_told(
    demo: Api, store: Database, channel: str, status: str, message: str, error: str
) -> None:
    sent = send(demo, channel, {}).json["id"]
    with store.transaction() as session:
        session.execute(update(Notification).values(status=status))
        assert session.get(Letter, sent) is None
    assert said(demo.call("GET", f"/v2/notifications/{sent}/pdf")) == (400, error, message)


def test_a_letter_that_is_too_long_is_not_sent(demo: Api, worker: Worker, store: Database) -> None:
    with store.transaction() as session:
        session.execute(update(Template).values(body="a\n\n---\n\n" * 11 + "b"))
    sent = send(demo, "letter", {})
    worker.work(RUNNING)
    assert shown(demo, sent)["status"] == "validation-failed"


def test_what_a_worker_made_before_it_stopped_is_not_made_again(
    demo: Api, worker: Worker, store: Database
) -> None:
    sent = send(demo, "letter", {})
    worker.work(RUNNING)
    with store.snapshot() as session:
        made = session.get(Letter, sent.json["id"])
    assert made is not None
    with store.transaction() as session:
        session.execute(DeliveryAttempt.__table__.delete())
        session.execute(update(Job).values(done_at=None, attempts=0))
    worker.work(RUNNING)
    with store.snapshot() as session:
        again = session.get(Letter, sent.json["id"])
    assert again is not None
    assert again.sealed_pdf == made.sealed_pdf
    assert shown(demo, sent)["cost_details"]["billable_sheets_of_paper"] == 1


def sheet(body: str, subject: str = "Subject") -> letter.Sheet:
    return letter.Sheet(
        lines=("A & <b>", "B", "C"),
        subject=subject,
        body=body,
        contact="D",
        sender="E",
        written_at=datetime(2026, 3, 3, tzinfo=UTC),
    )


def test_a_rule_begins_a_page_and_qr_codes_are_drawn() -> None:
    made = letter.plain(sheet("one\n\nqr: https://x.mv/y\n\n---\n\n* two & <three>\n\n1. four"))
    assert pages.count(made) == 2
    text = [page.extract_text() for page in read(made).pages]
    assert "A & <b>" in text[0]
    assert "https://x.mv/y" in text[0]
    assert "two & <three>" in text[1]
    assert len(letter.plain(sheet("one\n\nhttps://x.mv/y\n\n---\n\ntwo"))) < len(made)


def test_characters_without_a_font_are_refused_and_not_lost(demo: Api) -> None:
    answer = send(demo, "letter", {"personalisation": ADDRESS | {"address_line_1": "日本"}})
    assert said(answer) == (
        400,
        "BadRequestError",
        "Letters cannot be printed with these characters here: 日 本",
    )


def test_the_optional_renderer_gets_an_accessible_document() -> None:
    page = tagged.page(sheet("# One\n\nqr: https://x.mv/?a=1&b=2\n\n<script>"))
    assert page.startswith('<!DOCTYPE html><html lang="en" dir="ltr">')
    assert "<title>Subject</title>" in page
    assert 'alt="QR code: https://x.mv/?a=1&amp;b=2"' in page
    assert "<script>" not in page
    assert 'lang="dv" dir="rtl"' in tagged.page(sheet("ލައިސަންސް ދޫކޮށްފި", "ލައިސަންސް"))
    mixed = tagged.page(sheet("Hello\n\nލައިސަންސް ދޫކޮށްފި"))
    assert '<p lang="en" dir="ltr">Hello</p>' in mixed
    assert '<p lang="dv" dir="rtl">ލައިސަންސް' in mixed


@pytest.mark.parametrize(
    ("text", "on_the_page"),
    [
        ("ދޫ", "ޫދ"),
        ("ދޫ Kandu Koe ބޯ", "ޯބ Kandu Koe ޫދ"),
        ("ދޫ A-12.", "A-12. ޫދ"),
        ("12ބ", "ބ12"),
    ],
)
def test_dhivehi_is_put_in_the_order_of_the_page(text: str, on_the_page: str) -> None:
    assert fonts.in_order(text) == on_the_page
