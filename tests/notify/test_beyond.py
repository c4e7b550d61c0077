"""Schedules that can be cancelled, bulk that is checked whole, values that cannot format."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.domain.escaping import escaped
from services.notify.providers.choice import make_providers
from services.notify.rendering import email
from services.notify.storage.delivery_tables import Bulk
from services.notify.storage.tables import Job, Notification
from services.notify.worker import Worker
from tests.notify.conftest import SERVICE_ID, TEMPLATES, Api, prepare, settings
from tests.support.clock import FakeClock

RUNNING = threading.Event()
ROWS = [
    ["phone number", "licence", "vessel"],
    ["+960 7000101", "FV-1", "Kandu Koe"],
    ["7000102", "FV-2", "Dhonbe"],
]


def in_(clock: FakeClock, **duration: float) -> str:
    return (clock.now() + timedelta(**duration)).isoformat()


def bulk(api: Api, changes: Any = None, **options: Any) -> Any:
    body = {"name": "Licences", "template_id": TEMPLATES["sms"], "rows": ROWS} | (changes or {})
    body = {name: value for name, value in body.items() if value is not ...}
    return api.call("POST", "/v2/notifications/bulk", body, **options)


def count(store: Database, table: Any) -> int:
    with store.snapshot() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_scheduled_message_waits_for_its_moment(
    api: Api, worker: Worker, clock: FakeClock
) -> None:
    sent = api.sms({"scheduled_for": in_(clock, hours=3)}).json["id"]
    assert not worker.work(RUNNING)
    clock.advance(hours=3)
    assert worker.work(RUNNING)
    shown = api.call("GET", f"/v2/notifications/{sent}").json
    assert shown["status"] == "delivered"
    assert shown["scheduled_for"] == "2026-03-03T08:00:00.000000Z"


def test_a_scheduled_message_can_be_cancelled_until_it_is_due(
    api: Api, worker: Worker, clock: FakeClock
) -> None:
    planned = api.email({"scheduled_for": in_(clock, days=6)}).json["id"]
    at_once = api.sms().json["id"]
    path = f"/v2/notifications/{planned}"
    told = api.call("DELETE", path)
    assert (told.status_code, told.json["status"]) == (200, "cancelled")
    assert told.json["status_description"] == (
        "It was cancelled before it was due. Nothing was sent."
    )
    assert api.call("DELETE", path).status_code == 400
    assert api.call("DELETE", f"/v2/notifications/{at_once}").status_code == 400
    other = "00000000-0000-4000-8000-000000000000"
    assert api.call("DELETE", f"/v2/notifications/{other}").status_code == 404
    assert api.call("DELETE", "/v2/notifications/x").status_code == 400
    clock.advance(days=7)
    worker.work(RUNNING)
    assert api.status(planned) == "cancelled"


def test_a_bulk_is_accepted_whole_and_followed_by_row(database: Database, clock: FakeClock) -> None:
    made = prepare(database)
    api = Api(create_app(made, database=database, clock=clock).test_client(), clock)
    answer = bulk(api)
    assert answer.status_code == 201
    data = answer.json["data"]
    assert (data["job_status"], data["notification_count"]) == ("pending", 2)
    assert data["original_file_name"] == "Licences"
    worker = Worker(made, database, make_providers(made, database, clock), clock=clock)
    while worker.work(RUNNING):
        pass
    told = api.call("GET", f"/v2/notifications/bulk/{data['id']}").json
    assert told["data"]["job_status"] == "finished"
    assert told["data"]["statistics"] == [{"status": "delivered", "count": 2}]
    assert [(row["row"], row["status"]) for row in told["rows"]] == [
        (1, "delivered"),
        (2, "delivered"),
    ]
    one = api.call("GET", f"/v2/notifications/{told['rows'][1]['id']}").json
    assert one["phone_number"] == "7000102"
    assert "FV-2" in one["body"]
    assert api.call("GET", "/v2/notifications").json["notifications"] == []
    listed = api.call("GET", "/v2/notifications?include_jobs=true").json["notifications"]
    assert {each["id"] for each in listed} == {row["id"] for row in told["rows"]}


def test_every_faulty_row_is_named_and_nothing_is_accepted(api: Api, store: Database) -> None:
    rows = [*ROWS, ["12", "FV-3", "X"], ["+960 7000103", "FV-4", None], ["", "a", "b"]]
    answer = bulk(api, {"rows": rows})
    assert answer.status_code == 400
    assert [(each["row"], each["message"]) for each in answer.json["errors"]] == [
        (3, "Row 3 - phone_number Not enough digits"),
        (4, "Row 4 - Missing personalisation: vessel"),
        (5, "Row 5 - phone_number Not enough digits"),
    ]
    assert count(store, Notification) == count(store, Job) == count(store, Bulk) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": ...}, "You should specify either rows or csv"),
        ({"csv": "a"}, "You should specify either rows or csv"),
        ({"rows": []}, "rows must have a header and at least one row below it"),
        ({"rows": [["phone number"]]}, "rows must have a header and at least one row below it"),
        ({"rows": [["number"], ["7000101"]]}, "a column named phone number is missing"),
        ({"rows": [["phone number", "A", "a"], ["1"]]}, "columns named twice: A, a"),
        ({"rows": [["phone number"], ["7000101", "x"]]}, "Row 1 - has more values than the header"),
        ({"rows": [1]}, "rows 1 is not of type array"),
        ({"rows": ..., "csv": 'phone number\n"7000'}, "csv cannot be read: unexpected end of data"),
        ({"name": ""}, "name  should be non-empty"),
        ({"name": ...}, "name is a required property"),
        ({"template_id": TEMPLATES["letter"]}, "letter template is not suitable for bulk"),
        ({"template_id": SERVICE_ID}, "Template not found"),
        ({"more": 1}, "Additional properties are not allowed (more was unexpected)"),
    ],
)
def test_an_unusable_bulk_is_told_why(api: Api, changes: Any, message: str) -> None:
    answer = bulk(api, changes)
    assert answer.status_code == 400
    assert answer.json["errors"][0]["message"].startswith(message)


def test_a_bulk_may_be_csv_and_names_compare_as_in_templates(api: Api) -> None:
    text = '\ufeffPhone_Number,LICENCE,Vessel\r\n7000101,FV-1,"Kandu, Koe"\r\n\r\n'
    data = bulk(api, {"rows": ..., "csv": text}).json["data"]
    assert data["notification_count"] == 1
    [row] = api.call("GET", f"/v2/notifications/bulk/{data['id']}").json["rows"]
    assert "Kandu, Koe" in api.call("GET", f"/v2/notifications/{row['id']}").json["body"]


def test_a_repeated_bulk_is_sent_once(api: Api, store: Database) -> None:
    once = {"Idempotency-Key": "licences-2026"}
    answers = [bulk(api, headers=once), bulk(api, headers=once)]
    assert answers[0].json == answers[1].json
    assert count(store, Notification) == 2
    assert bulk(api, {"name": "Other"}, headers=once).status_code == 409


def test_a_bulk_is_counted_to_the_days_limit_whole_or_not_at_all(api: Api, store: Database) -> None:
    from sqlalchemy import update

    from services.notify.storage.tables import Service

    with store.transaction() as session:
        session.execute(update(Service).values(limits={"sms": 3}))
    assert bulk(api).status_code == 201
    refused = bulk(api)
    assert refused.status_code == 429
    assert refused.json["errors"][0]["error"] == "TooManyRequestsError"
    assert count(store, Notification) == 2
    assert api.sms().status_code == 201
    assert api.sms().status_code == 429


def test_a_scheduled_bulk_can_be_cancelled(api: Api, worker: Worker, clock: FakeClock) -> None:
    data = bulk(api, {"scheduled_for": in_(clock, days=1)}).json["data"]
    assert data["job_status"] == "scheduled"
    path = f"/v2/notifications/bulk/{data['id']}"
    told = api.call("DELETE", path).json["data"]
    assert (told["job_status"], told["statistics"]) == (
        "cancelled",
        [{"status": "cancelled", "count": 2}],
    )
    assert api.call("DELETE", path).status_code == 400
    clock.advance(days=2)
    assert not worker.work(RUNNING)


def test_single_messages_pass_a_bulk(api: Api, store: Database, clock: FakeClock) -> None:
    rows = [ROWS[0], *[["7000101", f"FV-{n}", "X"] for n in range(80)]]
    bulk(api, {"rows": rows})
    clock.advance(seconds=1)
    single = api.sms().json["id"]
    worker = Worker(
        settings(store, batch=10), store, make_providers(settings(store), store, clock), clock=clock
    )
    worker.work(RUNNING)
    assert api.status(single) == "delivered"


@pytest.mark.parametrize(
    "value",
    [
        "# Pay now",
        "## Pay",
        "* a",
        "• a",
        "- a",
        "^ inset",
        "1. one",
        "---",
        "***",
    ],
)
def test_a_value_cannot_format_an_email(value: str) -> None:
    html = email.html(f"Dear reader\n\n{escaped({'v': value})['v']}\n")
    assert re.findall(r"<(\w+)", html) == ["p", "p"]
    assert email.html(f"Dear reader\n\n{value}\n") != html


@pytest.mark.parametrize("value", ["[a](https://b.example)", r"C:\[x]", r"a\*b", "Marie & Sons"])
def test_the_words_of_a_value_stay(value: str) -> None:
    shown = email.plain(escaped({"v": value})["v"]).strip()
    assert shown == value


def test_what_was_made_harmless_before_is_not_escaped_twice() -> None:
    values = {"name": r"\[x\]", "other": "[y]"}
    assert escaped(values, besides=["NAME"]) == {"name": r"\[x\]", "other": r"\[y\]"}


def test_a_value_that_would_be_a_link_is_none(api: Api, worker: Worker, inbox: Any) -> None:
    trick = "[Your licence](https://evil.example)"
    sent = api.email({"personalisation": _values(name=trick)}).json
    assert trick in sent["content"]["body"]  # the API shows what it was given
    worker.work(RUNNING)
    [message] = inbox().json["messages"]
    lines = [line["text"] for part in message["parts"] for line in part["lines"]]
    assert any("[Your licence](" in line for line in lines)


def _values(**changes: Any) -> dict[str, Any]:
    return {"name": "A", "licence": "L", "vessel": "V", "island": "T"} | changes
