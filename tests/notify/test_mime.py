"""Emails on the wire: whatever is in them, a mail program reads what was written."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.providers.message import Message
from services.notify.providers.mime import compose
from services.notify.rendering import email as rendered


def message(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "id": "9f2c7f6e-0000-4000-8000-000000000001",
        "channel": "email",
        "address": "aishath@people.example",
        "recipient_index": "r",
        "sender": "fisheries@notify.example",
        "service_name": {"en": "Fisheries Department"},
        "subject": "Licence",
        "body": "Dear Aishath\n\n* one\n* two",
        "unsubscribe": None,
        "accepted_at": datetime(2026, 3, 3, 5, 0, tzinfo=UTC),
    }
    return Message(**values | changes)


def read(sent: Message) -> EmailMessage:
    wire = compose(sent, "notify.example")
    assert wire.isascii()
    assert all(len(line) <= 998 for line in wire.split(b"\r\n"))
    assert b"\n" not in wire.replace(b"\r\n", b"")
    found = message_from_bytes(wire, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert found.defects == []
    return found


def parts(found: EmailMessage) -> list[str]:
    return [
        part.get_content().replace("\r\n", "\n").rstrip("\n")
        for part in found.walk()
        if part.get_content_maintype() == "text"
    ]


def test_an_email_says_who_whom_what_and_when() -> None:
    found = read(message(reply_to="answers@people.example", unsubscribe="https://a.example/u?x=1"))
    assert found["From"] == "Fisheries Department <fisheries@notify.example>"
    assert found["To"] == "aishath@people.example"
    assert found["Reply-To"] == "answers@people.example"
    assert found["Date"] == "Tue, 03 Mar 2026 05:00:00 +0000"
    assert found["Message-ID"] == "<9f2c7f6e-0000-4000-8000-000000000001@notify.example>"
    assert found["List-Unsubscribe"] == "<https://a.example/u?x=1>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize(
    "words",
    [
        "Licence for “Kandu Koe”",
        "މަސްވެރިކަމުގެ ލައިސަންސް " * 8,
        "=?utf-8?q?not_encoded?=",
        "x" * 300,
        'He said "no" \\ yes',
        "",
    ],
)
def test_subjects_of_all_kinds_arrive(words: str) -> None:
    assert read(message(subject=words))["Subject"].split() == words.split()


@pytest.mark.parametrize(
    "name", ["މަސްވެރިކަން", "=?utf-8?q?not_encoded?=", 'The "Office", (north)', "a\\b", "é"]
)
def test_names_of_all_kinds_arrive(name: str) -> None:
    [address] = read(message(service_name={"en": name}))["From"].addresses
    assert address.display_name == name
    assert address.addr_spec == "fisheries@notify.example"


@pytest.mark.parametrize("field", ["subject", "unsubscribe", "sender", "address", "reply_to"])
def test_nothing_begins_a_header_of_its_own(field: str) -> None:
    found = read(message(**{field: "https://a.example\r\nBcc: all@people.example"}))
    assert found["Bcc"] is None


def test_addresses_and_links_in_other_scripts_are_written_in_ascii() -> None:
    found = read(message(address="a@bücher.example", unsubscribe="https://a.example/ދ"))
    assert found["To"] == "a@xn--bcher-kva.example"
    assert found["List-Unsubscribe"] == "<https://a.example/%DE%8B>"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300))
def test_any_text_arrives(body: str) -> None:
    sent = message(body=body)
    plain, html = parts(read(sent))
    assert plain == rendered.plain(body).rstrip("\n")
    assert html == rendered.document(body, "Licence", "Fisheries Department").rstrip("\n")


def test_long_lines_arrive_whole() -> None:
    body = "word " * 1000
    plain, _ = parts(read(message(body=body)))
    assert plain == rendered.plain(body).rstrip("\n")
