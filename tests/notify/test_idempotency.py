"""Idempotency-Key: a retry is answered again and sends nothing twice."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.storage.tables import Job, Notification
from tests.notify.conftest import SMS, Api, prepare
from tests.support.clock import FakeClock


def once(key: str = "application-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


def count(database: Database) -> tuple[int | None, int | None]:
    with database.snapshot() as session:
        return (
            session.scalar(select(func.count()).select_from(Notification)),
            session.scalar(select(func.count()).select_from(Job)),
        )


def test_the_same_call_is_answered_again_and_stored_once(api: Api, store: Database) -> None:
    first = api.sms(headers=once())
    api.clock.advance(hours=23)
    again = api.sms(headers=once())
    assert (again.status_code, again.json) == (201, first.json)
    assert count(store) == (1, 1)


def test_another_body_under_the_same_key_is_refused(api: Api, store: Database) -> None:
    api.sms(headers=once())
    answer = api.sms({"reference": "other"}, headers=once())
    assert answer.status_code == 409
    assert answer.json["errors"][0]["error"] == "ConflictError"
    assert count(store) == (1, 1)


def test_order_and_spaces_of_a_body_do_not_make_it_another(api: Api, store: Database) -> None:
    body = {"reference": "a"}
    first = api.sms(body, headers=once())
    shuffled = dict(reversed(list((SMS | body).items())))
    again = api.call("POST", "/v2/notifications/sms", shuffled, headers=once())
    assert again.json == first.json
    assert count(store) == (1, 1)


def test_a_key_is_free_again_after_a_day(api: Api, store: Database) -> None:
    first = api.sms(headers=once())
    api.clock.advance(hours=24)
    assert api.sms({"reference": "new"}, headers=once()).json["id"] != first.json["id"]
    assert count(store) == (2, 2)


def test_channels_and_key_types_do_not_share_keys(api: Api, store: Database) -> None:
    answers = [
        api.sms(headers=once()),
        api.email(headers=once()),
        api.sms(key="test", headers=once()),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert count(store) == (3, 3)


def test_a_refused_call_keeps_its_key_free(api: Api, store: Database) -> None:
    assert api.sms({"personalisation": {}}, headers=once()).status_code == 400
    assert api.sms(headers=once()).status_code == 201
    assert count(store) == (1, 1)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(api: Api, key: str) -> None:
    answer = api.sms(headers=once(key))
    assert answer.status_code == 400
    assert answer.json["errors"][0]["error"] == "ValidationError"


def test_calls_at_the_same_moment_store_one_message(database: Database, clock: FakeClock) -> None:
    settings = prepare(database)
    app = create_app(settings, database=database, clock=clock)
    answers: list[Any] = []
    gate = threading.Barrier(4)

    def send() -> None:
        gate.wait()
        answers.append(Api(app.test_client(), clock).sms(headers=once()))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert count(database) == (1, 1)
