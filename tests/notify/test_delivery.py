"""What the worker does with what was accepted."""

import threading
from collections.abc import Callable
from typing import Any

from services.notify.worker import Worker
from tests.notify.conftest import Api

RUNNING = threading.Event()


def test_a_text_reaches_the_inbox_of_its_person(
    api: Api, worker: Worker, inbox: Callable[..., Any]
) -> None:
    answer = api.sms()
    assert answer.status_code == 201
    assert api.status(answer.json["id"]) == "created"
    assert worker.work(RUNNING)
    assert api.status(answer.json["id"]) == "delivered"
    opened = inbox()
    assert opened.status_code == 200
    [message] = opened.json["messages"]
    assert message["id"] == answer.json["id"]
    assert message["to"] == "+960 7000101"
    assert message["from"] == "FISHERIES"
    assert message["body"] == answer.json["content"]["body"]
    assert message["service"]["name"]["en"].startswith("Fisheries Department")
    assert inbox("hassan").json == {"messages": [], "next": None}


def test_an_email_reaches_the_same_inbox(
    api: Api, worker: Worker, inbox: Callable[..., Any]
) -> None:
    sent = api.email().json
    worker.work(RUNNING)
    [message] = inbox().json["messages"]
    assert message["channel"] == "email"
    assert message["subject"] == "Licence FV-0007 for Kandu Koe is granted"
    assert message["id"] == sent["id"]
