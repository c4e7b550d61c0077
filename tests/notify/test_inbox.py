"""A person's inbox: her own messages, in bounded pages, and nobody else's."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from servicekit.database import Database
from services.notify.storage.tables import Template
from services.notify.worker import Worker
from tests.notify.conftest import PEOPLE, TEMPLATES, Api
from tests.support.issuer import FakeIssuer

RUNNING = threading.Event()
Read = Callable[..., Any]


def test_texts_and_emails_of_a_person_are_in_one_inbox(
    api: Api, worker: Worker, inbox: Read
) -> None:
    text = api.sms().json
    api.clock.advance(seconds=1)
    worker.work(RUNNING)
    email = api.email({"email_address": "Aishath@people.example"}).json
    api.sms({"phone_number": "7000102"})
    api.clock.advance(seconds=1)
    worker.work(RUNNING)
    answer = inbox()
    assert answer.status_code == 200
    assert answer.headers["Atoll-Subject"] == PEOPLE["aishath"]
    assert answer.headers["Atoll-Categories"] == "messages"
    assert answer.json["next"] is None
    assert answer.json["messages"] == [
        {
            "id": email["id"],
            "channel": "email",
            "to": "Aishath@people.example",
            "from": "fisheries@notify.example",
            "subject": "Licence FV-0007 for Kandu Koe is granted",
            "body": email["content"]["body"],
            "parts": answer.json["messages"][0]["parts"],
            "sent_at": "2026-03-03T05:00:02.000000Z",
            "service": {
                "name": {
                    "en": "Fisheries Department (demonstration)",
                    "dv": "މަސްވެރިކަމުގެ ޑިޕާޓްމަންޓް (މިސާލު)",
                }
            },
            "language": "en",
            "direction": "ltr",
        },
        answer.json["messages"][1],
    ]
    assert answer.json["messages"][1]["id"] == text["id"]
    assert answer.json["messages"][1]["subject"] is None
    assert len(inbox("ibrahim").json["messages"]) == 1
    assert inbox("zeena").json == {"messages": [], "next": None}


def test_a_body_is_taken_apart_with_the_direction_of_each_line(
    api: Api, worker: Worker, inbox: Read
) -> None:
    api.email()
    api.sms()
    worker.work(RUNNING)
    text = inbox(query="?channel=sms").json["messages"][0]
    email = inbox(query="?channel=email").json["messages"][0]
    assert [part["kind"] for part in text["parts"]] == ["lines"]
    assert [line["direction"] for line in text["parts"][0]["lines"]] == ["ltr", "rtl"]
    kinds = [part["kind"] for part in email["parts"]]
    assert "bullets" in kinds
    bullets = email["parts"][kinds.index("bullets")]["lines"]
    assert bullets[0]["text"].startswith("The vessel is in the public register"), (
        "no mark before it"
    )
    spoken = {line["language"] for part in email["parts"] for line in part["lines"]}
    assert spoken == {"en", "dv"}


def test_a_value_can_neither_make_a_heading_nor_a_bullet(
    api: Api, worker: Worker, inbox: Read
) -> None:
    values = {"name": "# A\n* b", "licence": "1", "vessel": "v", "island": "i"}
    api.email({"personalisation": values, "sanitise_content_for": ["name"]})
    worker.work(RUNNING)
    parts = inbox().json["messages"][0]["parts"]
    assert "heading" not in [part["kind"] for part in parts]
    assert [part["kind"] for part in parts].count("bullets") == 1


def test_a_channel_can_be_chosen(api: Api, worker: Worker, inbox: Read) -> None:
    api.sms()
    api.email()
    worker.work(RUNNING)
    for channel, count in {"sms": 1, "email": 1, "letter": 0}.items():
        messages = inbox(query=f"?channel={channel}").json["messages"]
        assert [message["channel"] for message in messages] == [channel] * count


def test_pages_are_bounded_and_lose_nothing(
    api: Api, worker: Worker, inbox: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.storage.inbox.PAGE_SIZE", 3)
    sent = {api.sms().json["id"] for _ in range(6)}
    worker.work(RUNNING)
    first = inbox().json
    assert len(first["messages"]) == 3
    second = inbox(query=f"?before={first['next']}").json
    assert second["next"] is None
    seen = [message["id"] for message in first["messages"] + second["messages"]]
    assert sorted(seen) == sorted(sent)


def test_another_persons_message_is_no_place_to_continue_from(
    api: Api, worker: Worker, inbox: Read
) -> None:
    hers = api.sms().json["id"]
    api.sms({"phone_number": "7000102"})
    worker.work(RUNNING)
    assert inbox("ibrahim", f"?before={hers}").json == {"messages": [], "next": None}


def test_sanitised_values_are_read_as_they_were_written(
    api: Api, worker: Worker, inbox: Read
) -> None:
    values = {"name": "A. (Demo)", "licence": "1", "vessel": "v", "island": "i"}
    api.email({"personalisation": values, "sanitise_content_for": ["name"]})
    worker.work(RUNNING)
    assert "Dear A. (Demo)," in inbox().json["messages"][0]["body"]


@pytest.mark.parametrize("query", ["?channel=x", "?before=x", "?before=%00", "?before=" + "9" * 99])
def test_a_wrong_query_is_a_problem(inbox: Read, query: str) -> None:
    answer = inbox(query=query)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"].endswith("/malformed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer x.y.z"}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
    ],
)
def test_without_a_token_there_is_no_inbox(api: Api, headers: dict[str, str], status: int) -> None:
    answer = api.client.get("/notify/inbox", headers={"Atoll-Gateway-Key": "k" * 64, **headers})
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"


def test_tokens_that_do_not_speak_for_the_person_open_nothing(api: Api, issuer: FakeIssuer) -> None:
    subject = PEOPLE["aishath"]

    def status(token: dict[str, str], **headers: str) -> int:
        sent = {"Atoll-Gateway-Key": "k" * 64, **token, **headers}
        return int(api.client.get("/notify/inbox", headers=sent).status_code)

    right = {"subject": subject, "client_id": "portal"}
    assert status(issuer.headers("notify", "notify.inbox", **right)) == 200
    assert status(issuer.headers("notify", "notify.send", **right)) == 403
    assert status(issuer.headers("registers", "notify.inbox", **right)) == 401
    assert status(issuer.headers("notify", "notify.inbox", lifetime_s=-60, **right)) == 401
    assert status(FakeIssuer().headers("notify", "notify.inbox", **right)) == 401
    assert status(issuer.headers("notify", "notify.inbox")) == 404  # a machine has no inbox
    other = {"Atoll-Subject": PEOPLE["ibrahim"]}
    assert status(issuer.headers("notify", "notify.inbox", **right), **other) == 404


def test_an_api_key_opens_no_inbox(api: Api) -> None:
    assert api.call("GET", "/notify/inbox").status_code == 401


def test_a_person_who_is_not_of_the_demonstration_has_an_empty_inbox(
    api: Api, issuer: FakeIssuer
) -> None:
    answer = api.client.get(
        "/notify/inbox",
        headers={
            "Atoll-Gateway-Key": "k" * 64,
            **issuer.headers("notify", "notify.inbox", subject="someone", client_id="portal"),
        },
    )
    assert answer.json == {"messages": [], "next": None}


def test_a_dhivehi_message_says_its_direction(
    api: Api, worker: Worker, inbox: Read, store: Database
) -> None:
    with store.transaction() as session:
        session.execute(
            update(Template).where(Template.id == TEMPLATES["sms"]).values(body="ލައިސަންސް ދޫކޮށްފި")
        )
    api.sms()
    worker.work(RUNNING)
    [message] = inbox().json["messages"]
    assert (message["language"], message["direction"]) == ("dv", "rtl")
