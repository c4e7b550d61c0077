"""Telling services: what, signed how, again when, given up when, and never inside the network."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from servicekit.database import Database
from services.notify.providers import Outcome, Providers
from services.notify.providers.local import Simulation
from services.notify.storage.delivery_tables import Callback
from services.notify.storage.tables import Job
from services.notify.worker import Worker
from tests.notify.conftest import SERVICE_ID, prepare
from tests.notify.receiving import TOKEN, Receiver, Telling, receiving
from tests.support.clock import FakeClock

RUNNING = threading.Event()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def telling(store: Database, clock: FakeClock, receiver: Receiver) -> Telling:
    return Telling(store, clock, receiver)


def test_a_delivered_text_is_told_with_token_and_signature(telling: Telling) -> None:
    secret = telling.want().json["signing_secret"]
    sent = telling.api.sms({"reference": "mine"}).json["id"]
    telling.clock.advance(seconds=2)
    telling.deliver()
    telling.run()
    [(headers, body)] = telling.receiver.got
    assert json.loads(body) == {
        "id": sent,
        "reference": "mine",
        "to": "+960 7000101",
        "status": "delivered",
        "created_at": "2026-03-03T05:00:00.000000Z",
        "completed_at": "2026-03-03T05:00:02.000000Z",
        "sent_at": "2026-03-03T05:00:02.000000Z",
        "notification_type": "sms",
        "template_id": json.loads(body)["template_id"],
        "template_version": 1,
    }
    assert headers["authorization"] == f"Bearer {TOKEN}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert int(headers["webhook-timestamp"]) == int(telling.clock.now().timestamp())
    [told] = telling.listed()
    assert told["id"] == headers["webhook-id"]
    assert (told["state"], told["answered"]) == ("delivered", 200)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome("permanent-failure"), "permanent-failure"),
        (Outcome("temporary-failure"), "temporary-failure"),
        (Outcome("sent"), "sent"),
        (Outcome("technical-failure"), "technical-failure"),
    ],
)
def test_every_final_status_is_told(telling: Telling, outcome: Outcome, status: str) -> None:
    telling.want()
    telling.api.sms()
    telling.deliver(outcome)
    telling.run()
    assert [body["status"] for body in telling.receiver.bodies()] == [status]


def test_giving_up_cancelling_and_waiting_in_vain_are_told(telling: Telling) -> None:
    telling.want()
    telling.api.sms()
    telling.clock.advance(hours=5)
    telling.deliver(Outcome(None, "away"))
    telling.api.sms()
    telling.deliver(Outcome("sending", awaits_receipt=True, reason="accepted"))
    telling.clock.advance(hours=73)
    when = (telling.clock.now() + timedelta(hours=2)).isoformat()
    planned = telling.api.sms({"scheduled_for": when}).json["id"]
    assert telling.api.call("DELETE", f"/v2/notifications/{planned}").status_code == 200
    telling.run()
    statuses = sorted(body["status"] for body in telling.receiver.bodies())
    assert statuses == ["cancelled", "technical-failure", "temporary-failure"]


def test_a_simulated_message_is_told_too(telling: Telling) -> None:
    telling.want()
    telling.api.sms({"phone_number": "+447700900003"}, key="test")
    telling.deliver()
    telling.run()
    assert [body["status"] for body in telling.receiver.bodies()] == ["temporary-failure"]


def test_nobody_is_told_who_did_not_ask(telling: Telling) -> None:
    telling.api.sms()
    telling.deliver()
    telling.run()
    assert telling.listed() == []


@pytest.mark.parametrize("answer", [500, 503, 429, 408])
def test_a_failing_receiver_is_told_again_later_and_later(telling: Telling, answer: int) -> None:
    telling.want()
    telling.api.sms()
    telling.deliver()
    telling.receiver.answer = answer
    telling.run()
    assert len(telling.receiver.got) == 1
    telling.clock.advance(seconds=4)
    telling.run()
    assert len(telling.receiver.got) == 1
    telling.clock.advance(seconds=1)
    telling.receiver.answer = 204
    telling.run()
    assert len(telling.receiver.got) == 2
    ids = {headers["webhook-id"] for headers, _ in telling.receiver.got}
    assert len(ids) == 1
    [told] = telling.listed()
    assert (told["state"], told["attempts"], told["answered"]) == ("delivered", 2, 204)


@pytest.mark.parametrize("answer", [400, 404, 301])
def test_a_refusal_is_final_and_can_be_replayed(telling: Telling, answer: int) -> None:
    telling.want()
    telling.api.sms()
    telling.deliver()
    telling.receiver.answer = answer
    telling.run()
    [dead] = telling.listed("dead")
    assert dead["error"] == f"answered {answer}"
    telling.receiver.answer = 200
    again = telling.api.call("POST", f"/v2/callbacks/{dead['id']}/replay")
    assert (again.status_code, again.json["state"]) == (202, "pending")
    assert telling.api.call("POST", f"/v2/callbacks/{dead['id']}/replay").status_code == 400
    telling.run()
    assert telling.listed("dead") == []
    assert len({headers["webhook-id"] for headers, _ in telling.receiver.got}) == 1


def test_after_the_last_attempt_it_is_a_dead_letter(telling: Telling, store: Database) -> None:
    telling.want()
    telling.api.sms()
    telling.deliver()
    telling.receiver.answer = 500
    for _ in range(12):
        telling.run()
        telling.clock.advance(hours=13)
    [dead] = telling.listed("dead")
    assert dead["attempts"] == len(telling.receiver.got) == 9
    with store.snapshot() as session:
        assert session.scalars(select(Job.id).where(Job.done_at.is_(None))).all() == []


def test_an_address_that_keeps_failing_rests_and_then_is_tried_by_one(telling: Telling) -> None:
    telling.want()
    for _ in range(12):
        telling.api.sms()
    telling.deliver()
    telling.receiver.answer = 500
    for _ in range(6):
        telling.run()
        telling.clock.advance(seconds=5)
    before = len(telling.receiver.got)
    [endpoint] = telling.api.call("GET", "/v2/callbacks/endpoints").json["endpoints"]
    assert endpoint["failures"] >= 10
    assert endpoint["paused_until"] is not None
    telling.clock.advance(minutes=5)
    telling.run()
    assert len(telling.receiver.got) == before
    telling.receiver.answer = 200
    resumed = telling.api.call("POST", "/v2/callbacks/endpoints/delivery/resume").json
    assert (resumed["failures"], resumed["paused_until"]) == (0, None)
    telling.clock.advance(minutes=20)
    for _ in range(4):  # a few at a time to one address
        telling.run()
        telling.clock.advance(seconds=1)
    assert {told["state"] for told in telling.listed()} == {"delivered"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/told",
        "https://example.com:22/told",
        "https://user:word@example.com/told",
        "https://example.com/told#part",
        "ftp://example.com",
        "no address",
        "http://127.0.0.2/told",
    ],
)
def test_an_address_that_may_not_be_called_is_refused(telling: Telling, url: str) -> None:
    assert telling.want(url=url).status_code == 400


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.2", "169.254.169.254", "[::1]"])
def test_an_address_inside_the_network_is_refused(telling: Telling, host: str) -> None:
    assert telling.want(url=f"https://{host}/told").status_code == 400


def test_a_name_that_leads_into_the_network_is_never_called(telling: Telling) -> None:
    assert telling.want(url="https://localhost:8443/told").status_code == 201
    telling.api.sms()
    telling.deliver()
    telling.run()
    [dead] = telling.listed("dead")
    assert "private network" in dead["error"]
    assert telling.receiver.got == []


def test_many_callbacks_go_to_one_address_a_few_at_a_time(telling: Telling) -> None:
    telling.want()
    sent = {telling.api.sms().json["id"] for _ in range(60)}
    telling.deliver()
    telling.run()
    assert {body["id"] for body in telling.receiver.bodies()} == sent
    assert len(telling.receiver.got) == 60


def test_the_test_button_says_what_the_receiver_said(telling: Telling) -> None:
    for kind in ("delivery", "received-text", "returned-letter", "complaint"):
        telling.want(kind)
        said = telling.api.call("POST", f"/v2/callbacks/endpoints/{kind}/test").json
        assert said == {"delivered": True, "answered": 200, "error": None}
    telling.receiver.answer = 500
    said = telling.api.call("POST", "/v2/callbacks/endpoints/delivery/test").json
    assert said == {"delivered": False, "answered": 500, "error": "answered 500"}
    assert telling.listed() == []


def test_an_address_can_be_taken_back(telling: Telling) -> None:
    telling.want()
    telling.api.sms()
    assert telling.api.call("DELETE", "/v2/callbacks/endpoints/delivery").status_code == 204
    assert telling.api.call("DELETE", "/v2/callbacks/endpoints/delivery").status_code == 404
    telling.deliver()
    assert telling.listed() == []
    assert telling.want("delivery").status_code == 201
    assert telling.want("weather").status_code == 400
    assert telling.api.call("POST", "/v2/callbacks/endpoints/complaint/test").status_code == 404


def test_a_received_text_is_kept_told_and_taken_once(
    telling: Telling, store: Database, receiver: Receiver
) -> None:
    from tests.notify.conftest import DEMO_ID

    demo = Telling(store, telling.clock, receiver)
    demo.api.service_id = DEMO_ID
    demo.want("received-text")
    text = {"id": "7", "to": "07700900555", "from": "447700900123", "text": "Where is my boat?"}
    told = telling.report("received/coral", {"texts": [text, text | {"to": "0000"}]})
    assert told.json == {"taken": 1, "ignored": 1}
    assert telling.report("received/coral", {"texts": [text]}).json["taken"] == 0
    demo.run()
    [body] = receiver.bodies()
    assert body["message"] == "Where is my boat?"
    assert (body["source_number"], body["destination_number"]) == ("447700900123", "07700900555")
    listed = demo.api.call("GET", "/v2/received-text-messages").json["received_text_messages"]
    assert body["id"] in [each["id"] for each in listed]


def test_a_complaint_is_told_and_ends_writing(telling: Telling) -> None:
    telling.want("complaint")
    sent = telling.api.email().json["id"]
    telling.deliver()
    complaint = {"reference": sent, "status": "complaint", "complaint_id": "c1"}
    telling.report("receipts/fake", {"receipts": [complaint]})
    telling.run()
    [body] = telling.receiver.bodies()
    assert body["notification_id"] == sent
    assert (body["complaint_id"], body["to"]) == ("c1", "aishath@people.example")
    again = telling.api.email().json["id"]
    telling.deliver()
    shown = telling.api.call("GET", f"/v2/notifications/{again}").json
    assert shown["status"] == "permanent-failure"
    assert "suppression list" in shown["status_description"]


def test_a_returned_letter_is_told(telling: Telling) -> None:
    from services.notify.providers.local import Inbox
    from services.notify.providers.post import Post
    from tests.notify.conftest import TEMPLATES

    telling.want("returned-letter")
    address = {"address_line_1": "Aishath", "address_line_2": "Finivaage"}
    values = {"licence": "L", "vessel": "V", "address_line_3": "K. Thulusdhoo", **address}
    body = {"template_id": TEMPLATES["letter"], "personalisation": values, "reference": "r"}
    sent = telling.api.call("POST", "/v2/notifications/letter", body).json["id"]
    inbox = Inbox(telling.store, telling.clock)
    providers = Providers(inbox, Simulation(), None, Post(telling.store, telling.clock, inbox))
    Worker(telling.made, telling.store, providers, clock=telling.clock).work(RUNNING)
    receipt = {"reference": sent, "status": "returned"}
    assert telling.report("receipts/post", {"receipts": [receipt]}).json["taken"] == 1
    assert telling.report("receipts/post", {"receipts": [receipt]}).json["taken"] == 0
    telling.run()
    [told] = telling.receiver.bodies()
    assert told["notification_id"] == sent
    assert told["template_name"] == "Vessel licence (letter)"
    assert telling.api.status(sent) == "received"
    with telling.store.snapshot() as session:
        assert session.scalars(select(Callback.service_id)).all() == [SERVICE_ID]


def test_telling_works_on_both_engines(
    database: Database, clock: FakeClock, receiver: Receiver
) -> None:
    prepare(database)
    telling = Telling(database, clock, receiver)
    telling.want()
    telling.api.sms()
    telling.deliver()
    receiver.answer = 500
    telling.run()
    clock.advance(seconds=5)
    receiver.answer = 200
    telling.run()
    assert [told["state"] for told in telling.listed()] == ["delivered"]
