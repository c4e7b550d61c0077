"""Whom a service writes to no more: bounces, complaints, STOP, a page, and by hand."""

import re
import threading
from typing import Any

import pytest
from sqlalchemy import update

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.providers import Outcome, Providers
from services.notify.providers.local import Simulation
from services.notify.storage.tables import Template
from services.notify.worker import Worker
from tests.conftest import GATEWAY_KEY
from tests.notify.conftest import DEMO_ID, Api, settings
from tests.notify.test_delivery import Carrier
from tests.support.clock import FakeClock

RUNNING = threading.Event()
KEY = "r" * 40


@pytest.fixture
def api(store: Database, clock: FakeClock) -> Api:
    made = settings(store, receipt_key=KEY)
    return Api(create_app(made, database=store, clock=clock).test_client(), clock)


def deliver(store: Database, clock: FakeClock, *outcomes: Outcome) -> None:
    providers = Providers(Carrier(*outcomes), Simulation(), None)
    worker = Worker(settings(store), store, providers, clock=clock, jitter=lambda: 1.0)
    while worker.work(RUNNING):
        pass


def listed(api: Api) -> list[Any]:
    found: list[Any] = api.call("GET", "/v2/suppressions").json["suppressions"]
    return found


def report(api: Api, path: str, body: Any) -> Any:
    headers = {"Atoll-Gateway-Key": GATEWAY_KEY, "Authorization": f"Bearer {KEY}"}
    return api.client.post(f"/notify/{path}", json=body, headers=headers)


UNKNOWN = Outcome("permanent-failure", "refused with 550", reason="no-recipient")


def test_an_address_that_nobody_has_is_not_written_to_again(
    api: Api, store: Database, clock: FakeClock
) -> None:
    api.email()
    deliver(store, clock, UNKNOWN)
    [entry] = listed(api)
    assert (entry["email_address"], entry["reason"]) == ("aishath@people.example", "hard-bounce")
    again = api.email().json["id"]
    deliver(store, clock)
    assert api.status(again) == "permanent-failure"
    assert api.call("DELETE", f"/v2/suppressions/{entry['id']}").status_code == 204
    assert api.call("DELETE", f"/v2/suppressions/{entry['id']}").status_code == 404
    again = api.email().json["id"]
    deliver(store, clock)
    assert api.status(again) == "delivered"


def test_a_late_bounce_of_a_delivered_email_is_believed(
    api: Api, store: Database, clock: FakeClock
) -> None:
    sent = api.email().json["id"]
    deliver(store, clock)
    bounce = {"reference": sent, "status": "permanent-failure", "code": "unknown-address"}
    report(api, "receipts/fake", {"receipts": [bounce]})
    assert api.status(sent) == "permanent-failure"
    assert [entry["reason"] for entry in listed(api)] == ["hard-bounce"]


def test_a_list_is_one_services_own(api: Api, demo: Api, store: Database) -> None:
    assert api.call("POST", "/v2/suppressions", {"phone_number": "7000101"}).status_code == 201
    assert demo.call("GET", "/v2/suppressions").json["suppressions"] == []
    [entry] = listed(api)
    assert demo.call("DELETE", f"/v2/suppressions/{entry['id']}").status_code == 404


@pytest.mark.parametrize("body", [{}, {"phone_number": "1"}, {"email_address": "x"}, {"a": 1}])
def test_a_faulty_entry_is_refused(api: Api, body: Any) -> None:
    assert api.call("POST", "/v2/suppressions", body).status_code == 400


def test_stop_by_text_ends_writing_and_start_begins_it_again(api: Api, clock: FakeClock) -> None:
    demo = Api(api.client, clock, DEMO_ID)

    def text(words: str) -> None:
        one = {"to": "07700900555", "from": "447700900123", "text": words}
        assert report(api, "received/coral", {"texts": [one]}).json["taken"] == 1

    text(" Stop ")
    [entry] = listed(demo)
    assert (entry["phone_number"], entry["reason"]) == ("447700900123", "stop")
    text("hello")
    assert len(listed(demo)) == 1
    text("START")
    assert listed(demo) == []


def test_too_many_bounces_pause_a_services_emails(
    api: Api, store: Database, clock: FakeClock
) -> None:
    for number in range(20):
        api.email({"email_address": f"nobody{number}@people.example"})
    deliver(store, clock, *[Outcome("delivered")] * 17, *[UNKNOWN] * 3)
    refused = api.email()
    assert refused.status_code == 403
    assert "paused until 2026-03-04T05:00:00" in refused.json["errors"][0]["message"]
    assert api.sms().status_code == 201
    clock.advance(hours=24)
    assert api.email().status_code == 201


def test_a_few_bounces_pause_nothing(api: Api, store: Database, clock: FakeClock) -> None:
    for number in range(30):
        api.email({"email_address": f"nobody{number}@people.example"})
    deliver(store, clock, *[Outcome("delivered")] * 28, *[UNKNOWN] * 2)
    assert api.email().status_code == 201


def test_a_template_can_carry_our_own_way_out(api: Api, store: Database, clock: FakeClock) -> None:
    with store.transaction() as session:
        session.execute(update(Template).values(has_unsubscribe=True))
    sent = api.email().json
    link = sent["content"]["one_click_unsubscribe_url"]
    path = re.sub(r"^http://[^/]+", "", link)
    headers = {"Atoll-Gateway-Key": GATEWAY_KEY}
    page = api.client.get(path, headers=headers)
    assert page.status_code == 200
    assert "Fisheries Department" in page.text
    assert listed(api) == []  # looking at a link changes nothing
    stopped = api.client.post(
        path, data={"List-Unsubscribe": "One-Click"}, headers={**headers, "Accept-Language": "dv"}
    )
    assert stopped.status_code == 200
    assert [entry["reason"] for entry in listed(api)] == ["unsubscribed"]
    wrong = path[:-1] + ("0" if path[-1] != "0" else "1")
    for method in ("GET", "POST"):
        assert api.client.open(wrong, method=method, headers=headers).status_code == 404


def test_a_callers_own_way_out_goes_first(api: Api, store: Database) -> None:
    with store.transaction() as session:
        session.execute(update(Template).values(has_unsubscribe=True))
    own = "https://fisheries.example/stop"
    sent = api.email({"one_click_unsubscribe_url": own}).json
    assert sent["content"]["one_click_unsubscribe_url"] == own
