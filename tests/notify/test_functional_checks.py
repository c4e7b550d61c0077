"""What the official Python client's own functional checks do, through the gateway, unchanged.

Only the base URL and the API key are set, as `atoll credentials` shows them.
"""

import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft7Validator
from notifications_python_client import NotificationsAPIClient, prepare_upload
from notifications_python_client.errors import HTTPError
from pypdf import PdfReader

from tests.notify.test_letters import pdf
from tests.support import in_process
from tests.support.in_process import InProcess
from tests.support.platform import wait_for

UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
TEXT, NUMBER, NOTHING = {"type": "string"}, {"type": "number"}, {"type": "null"}
TEXT_OR_NULL = {"type": ["string", "null"]}


def exactly(**properties: Any) -> dict[str, Any]:
    """A schema of an object that has these members, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


TEMPLATE = exactly(id=UUID, version={"type": "integer"}, uri=TEXT)
POSTED: dict[str, Any] = {
    "id": UUID,
    "reference": TEXT_OR_NULL,
    "uri": TEXT,
    "template": TEMPLATE,
    "scheduled_for": NOTHING,
}
POST_SMS = exactly(**POSTED, content=exactly(body=TEXT, from_number=TEXT))
POST_EMAIL = exactly(
    **POSTED,
    sanitised_content={"type": "object"},
    content=exactly(
        from_email=TEXT, subject=TEXT, body=TEXT, one_click_unsubscribe_url=TEXT_OR_NULL
    ),
)
POST_LETTER = exactly(**POSTED, content=exactly(subject=TEXT, body=TEXT))
LINKS = {
    "type": "object",
    "properties": {"current": TEXT, "next": TEXT},
    "required": ["current"],
    "additionalProperties": False,
}
RECEIVED = exactly(
    id=UUID, created_at=TEXT, service_id=UUID, notify_number=TEXT, user_number=TEXT, content=TEXT
)
PREVIEW = exactly(
    id=UUID,
    type={"enum": ["sms", "email", "letter"]},
    version={"type": "integer"},
    body=TEXT,
    subject=TEXT_OR_NULL,
    html=TEXT_OR_NULL,
    postage=TEXT_OR_NULL,
)
ONE_TEMPLATE = exactly(
    id=UUID,
    name=TEXT,
    type={"enum": ["sms", "email", "letter"]},
    created_at=TEXT,
    updated_at=TEXT_OR_NULL,
    created_by=TEXT,
    version={"type": "integer"},
    body=TEXT,
    subject=TEXT_OR_NULL,
    personalisation={"type": "object"},
    postage=TEXT_OR_NULL,
    letter_contact_block=TEXT_OR_NULL,
)
LINES = {f"line_{n}": TEXT_OR_NULL for n in range(1, 7)}
NOTIFICATION: dict[str, Any] = exactly(
    id=UUID,
    reference=TEXT_OR_NULL,
    email_address=TEXT_OR_NULL,
    phone_number=TEXT_OR_NULL,
    **LINES,
    postcode=TEXT_OR_NULL,
    type={"enum": ["sms", "email", "letter"]},
    status=TEXT,
    template=TEMPLATE,
    body=TEXT,
    subject=TEXT_OR_NULL,
    created_at=TEXT,
    created_by_name=NOTHING,
    sent_at=TEXT_OR_NULL,
    completed_at=TEXT_OR_NULL,
    scheduled_for=NOTHING,
    postage=TEXT_OR_NULL,
    one_click_unsubscribe_url=TEXT_OR_NULL,
    cost_details={"type": "object"},
    cost_in_pounds={"type": ["number", "null"]},
    is_cost_data_ready={"type": "boolean"},
    # ours alone; the clients' own schemas let a notification have more members
    status_description=TEXT_OR_NULL,
    provider_response=TEXT_OR_NULL,
)
LETTER = {
    **NOTIFICATION,
    "properties": {**NOTIFICATION["properties"], "estimated_delivery": TEXT_OR_NULL},
    "required": [*NOTIFICATION["required"], "estimated_delivery"],
}


def fits(value: Any, schema: Any) -> Any:
    faults = [fault.message for fault in Draft7Validator(schema).iter_errors(value)]
    assert faults == []
    return value


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process.platform(tmp_path_factory.mktemp("checks")) as found:
        yield found


class Checks:
    """The demo service as a caller knows it: address, keys, ids."""

    def __init__(self, running: InProcess) -> None:
        self.url = running.url
        self.demo = running.credentials["notify_services"]["demo"]
        self.templates = self.demo["templates"]
        self._clients: list[NotificationsAPIClient] = []

    def client(self, key_type: str = "live") -> NotificationsAPIClient:
        made = NotificationsAPIClient(self.demo["api_keys"][key_type], base_url=self.url)
        self._clients.append(made)
        return made

    def close(self) -> None:
        for client in self._clients:
            client.request_session.close()


@pytest.fixture
def checks(running: InProcess) -> Iterator[Checks]:
    made = Checks(running)
    yield made
    made.close()


def letter_of(client: NotificationsAPIClient, letter_id: str) -> bytes:
    """Ask for a letter's pages until they are made, as the official check does."""
    found: list[bytes] = []

    def there() -> bool:
        try:
            found.append(client.get_pdf_for_letter(letter_id).read())
        except HTTPError as refused:
            if refused.message[0]["error"] == "PDFNotReadyError":
                return False
            raise
        return True

    wait_for(there, 20)
    return found[0]


@pytest.mark.parametrize("key_type", ["live", "team", "test"])
def test_a_text_is_sent_and_read(checks: Checks, key_type: str) -> None:
    client, name = checks.client(key_type), str(uuid.uuid4())
    sent = client.send_sms_notification(
        "07700 900123",
        checks.templates["sms"],
        {"name": name},
        reference=name,
        sms_sender_id=checks.demo["sms_sender_id"],
    )
    fits(sent, POST_SMS)
    assert name in sent["content"]["body"]
    assert sent["content"]["body"] == (
        f"Hello {name}\n\nFunctional Tests make our world a better place"
    )
    read = fits(client.get_notification_by_id(sent["id"]), NOTIFICATION)
    assert read["phone_number"] == "07700 900123"
    assert read["template"]["version"] == 2
    wait_for(lambda: client.get_notification_by_id(sent["id"])["status"] == "delivered", 20)
    assert client.get_notification_by_id(sent["id"])["is_cost_data_ready"] is True


@pytest.mark.parametrize("key_type", ["live", "team", "test"])
def test_an_email_is_sent_and_read(checks: Checks, key_type: str) -> None:
    client, name = checks.client(key_type), str(uuid.uuid4())
    sent = client.send_email_notification(
        "functional.test@people.example",
        checks.templates["email"],
        {"name": name},
        email_reply_to_id=checks.demo["email_reply_to_id"],
        one_click_unsubscribe_url="https://www.clovercouncil.gov.uk/unsubscribe?email_address=x",
        sanitise_content_for={"name"},
    )
    fits(sent, POST_EMAIL)
    assert sent["sanitised_content"]["name"]["unsanitised"] == name
    assert sent["content"]["body"].endswith(
        "\r\n\r\nFunctional test help make our world a better place"
    )
    fits(client.get_notification_by_id(sent["id"]), NOTIFICATION)


def test_a_file_is_sent_by_email_and_downloaded(checks: Checks) -> None:
    client = checks.client()
    upload = prepare_upload(io.BytesIO(b"%PDF-1.5 testpdf"), filename="report.pdf")
    sent = client.send_email_notification(
        "functional.test@people.example", checks.templates["email"], {"name": upload}
    )
    link = sent["content"]["body"].splitlines()[0].removeprefix("Hello ")
    assert link.startswith(f"{checks.url}/d/")
    assert "report.pdf" in requests.get(link, timeout=5).text
    given = {"email_address": "functional.test@people.example"}
    got = requests.post(link, data=given, timeout=5)
    assert got.content == b"%PDF-1.5 testpdf"
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    unknown_place = {"name": "x", "no such placeholder": prepare_upload(io.BytesIO(b"a,b"))}
    client.send_email_notification(
        "functional.test@people.example", checks.templates["email"], unknown_place
    )


@pytest.mark.parametrize("key_type", ["live", "test"])
def test_a_letter_is_sent_and_its_pages_read(checks: Checks, key_type: str) -> None:
    client, name = checks.client(key_type), str(uuid.uuid4())
    values = {"address_line_1": name, "address_line_2": "foo", "postcode": "SW1 1AA"}
    sent = client.send_letter_notification(checks.templates["letter"], values, reference="r")
    fits(sent, POST_LETTER)
    assert name in sent["content"]["body"]
    read = fits(client.get_notification_by_id(sent["id"]), LETTER)
    assert (read["line_1"], read["postcode"]) == (name, "SW1 1AA")
    text = PdfReader(io.BytesIO(letter_of(client, sent["id"]))).pages[0].extract_text()
    assert name in text
    with pytest.raises(HTTPError) as refused:
        client.get_pdf_for_letter(uuid.uuid4())
    assert refused.value.status_code == 404


def test_a_precompiled_letter_comes_back_byte_for_byte(checks: Checks, tmp_path: Path) -> None:
    client, content = checks.client("test"), pdf()
    path = tmp_path / "one_page.pdf"
    path.write_bytes(content)
    with path.open("rb") as file:
        sent = client.send_precompiled_letter_notification("ref", file, postage="first")
    assert fits(sent, exactly(id=UUID, reference=TEXT, postage=TEXT))["postage"] == "first"
    assert letter_of(client, sent["id"]) == content
    fits(client.get_notification_by_id(sent["id"]), LETTER)


def test_all_notifications_are_walked(checks: Checks) -> None:
    client, reference = checks.client(), str(uuid.uuid4())
    sent = [
        client.send_sms_notification(
            "07700 900123", checks.templates["sms"], {"name": "x"}, reference=reference
        )["id"]
        for _ in range(3)
    ]
    page = client.get_all_notifications(template_type="sms", reference=reference)
    assert [one["id"] for one in page["notifications"]] == sent[::-1]
    fits(page["links"], LINKS)
    for one in page["notifications"]:
        fits(one, NOTIFICATION)
    walked = client.get_all_notifications_iterator(older_than=sent[1], reference=reference)
    assert [one["id"] for one in walked] == [sent[0]]
    assert len(list(client.get_all_notifications_iterator())) >= 3


def test_templates_are_read_listed_and_previewed(checks: Checks) -> None:
    client = checks.client()
    for kind, template_id in checks.templates.items():
        found = fits(client.get_template(template_id), ONE_TEMPLATE)
        assert found["type"] == kind
        first = fits(client.get_template_version(template_id, 1), ONE_TEMPLATE)
        assert first["version"] == 1
        assert [t["id"] for t in client.get_all_templates(kind)["templates"]] == [template_id]
    first_sms = client.get_template_version(checks.templates["sms"], 1)
    assert first_sms["name"] == "Example text message template"
    assert (
        client.get_template_version(checks.templates["letter"], 1)["letter_contact_block"] is None
    )
    block = client.get_template(checks.templates["letter"])["letter_contact_block"]
    assert len(block.splitlines()) == 6
    names = [template["name"] for template in client.get_all_templates()["templates"]]
    assert names == sorted(names)
    assert len(names) == 3
    shown = fits(client.post_template_preview(checks.templates["email"], {"name": "F"}), PREVIEW)
    assert "Hello F" in shown["html"]
    values = {"address_line_1": "F", "address_line_2": "x", "postcode": "SW1 1AA"}
    fits(client.post_template_preview(checks.templates["letter"], values), PREVIEW)


def test_received_texts_are_walked(checks: Checks) -> None:
    client = checks.client()
    page = fits(
        client.get_received_texts(),
        exactly(received_text_messages={"type": "array", "items": RECEIVED}, links=LINKS),
    )
    assert [one["content"] for one in page["received_text_messages"]] == [
        "Thank you",
        "Hello, is this the demonstration?",
    ]
    walked = list(client.get_received_texts_iterator())
    assert walked == page["received_text_messages"]
    assert list(client.get_received_texts_iterator(older_than=walked[0]["id"])) == walked[1:]


def test_the_log_knows_who_sent_and_nothing_of_whom(running: InProcess, checks: Checks) -> None:
    client = checks.client()
    client.send_sms_notification("07700 900123", checks.templates["sms"], {"name": "x"})
    token = running.token("portal", "gateway", "exchanges.overview")
    logged = requests.get(
        f"{running.url}/exchanges",
        params={"service": "notify"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    callers = {one["caller"]["client_id"] for one in logged.json()["exchanges"] if one["caller"]}
    assert "demo" in callers
    assert "900123" not in logged.text
    assert "functional.test" not in logged.text
