"""POST sms and email: the contract's messages and the order of its checks."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from servicekit.database import Database
from services.notify.storage.tables import Job, Notification, Service, Template
from tests.notify.conftest import EMAIL, SERVICE_ID, SMS, TEMPLATES, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def messages(answer: Any) -> list[tuple[str, str]]:
    assert set(answer.json) == {"status_code", "errors"}
    assert answer.json["status_code"] == answer.status_code
    return [(error["error"], error["message"]) for error in answer.json["errors"]]


def stored(store: Database) -> tuple[int, int]:
    with store.snapshot() as session:
        return (
            session.scalar(select(func.count()).select_from(Notification)) or 0,
            session.scalar(select(func.count()).select_from(Job)) or 0,
        )


def test_an_accepted_text_answers_as_the_contract_says(api: Api) -> None:
    answer = api.sms({"reference": "A-1"})
    assert answer.status_code == 201
    body = answer.json
    assert body == {
        "id": body["id"],
        "reference": "A-1",
        "uri": f"http://localhost:8000/v2/notifications/{body['id']}",
        "template": {
            "id": TEMPLATES["sms"],
            "version": 1,
            "uri": f"http://localhost:8000/services/{SERVICE_ID}/templates/{TEMPLATES['sms']}",
        },
        "scheduled_for": None,
        "content": {
            "body": "Your licence FV-0007 for Kandu Koe is granted.\n"
            "Kandu Koeގެ ލައިސަންސް FV-0007 ދޫކޮށްފި.",
            "from_number": "FISHERIES",
        },
    }


def test_an_accepted_email_answers_as_the_contract_says(api: Api) -> None:
    unsubscribe = "https://fisheries.example/stop"
    answer = api.email({"one_click_unsubscribe_url": unsubscribe})
    assert answer.status_code == 201
    content = answer.json["content"]
    assert content["from_email"] == "fisheries@notify.example"
    assert content["subject"] == "Licence FV-0007 for Kandu Koe is granted"
    assert content["body"].startswith("Dear Aishath Demo,\n\nThe Fisheries Department has")
    assert content["one_click_unsubscribe_url"] == unsubscribe
    assert answer.json["sanitised_content"] == {}
    assert answer.json["reference"] is None


def test_sanitising_is_reported(api: Api) -> None:
    values = EMAIL["personalisation"] | {"Name": "[x](https://evil.link)"}
    del values["name"]
    answer = api.email({"personalisation": values, "sanitise_content_for": ["NAME"]})
    assert answer.json["sanitised_content"] == {
        "Name": {"unsanitised": "[x](https://evil.link)", "sanitised": r"\[x\]\(\)"}
    }
    assert r"Dear \[x\]\(\)," in answer.json["content"]["body"]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"phone_number": None}, ["phone_number None is not of type string"]),
        ({"phone_number": 7000101}, ["phone_number 7000101 is not of type string"]),
        ({"phone_number": ""}, ["phone_number Not enough digits"]),
        ({"phone_number": "+999 7000101"}, ["phone_number Not a valid country prefix"]),
        ({"template_id": None}, ["template_id is not a valid UUID"]),
        ({"template_id": f" {UNKNOWN}"}, ["template_id is not a valid UUID"]),
        ({"personalisation": "not_a_dict"}, ["personalisation not_a_dict is not of type object"]),
        ({"foo": 1}, ["Additional properties are not allowed (foo was unexpected)"]),
        (
            {"foo": 1, "bar": 2},
            ["Additional properties are not allowed (bar, foo were unexpected)"],
        ),
        ({"reference": "a" * 1001}, [f"reference {'a' * 1001} is too long"]),
        ({"sms_sender_id": "x"}, ["sms_sender_id is not a valid UUID"]),
        (
            {"phone_number": "x", "template_id": "y", "z": 1},
            [
                "phone_number Must not contain letters or symbols",
                "template_id is not a valid UUID",
                "Additional properties are not allowed (z was unexpected)",
            ],
        ),
    ],
)
def test_faults_of_a_body_are_named(api: Api, changes: dict[str, Any], faults: list[str]) -> None:
    answer = api.sms(changes)
    assert answer.status_code == 400
    assert messages(answer) == [("ValidationError", fault) for fault in faults]


def test_required_members_are_named_in_order(api: Api) -> None:
    for body in (b"", b"{}", b"null", b"[]"):
        answer = api.call("POST", "/v2/notifications/sms", body)
        assert messages(answer) == [
            ("ValidationError", "phone_number is a required property"),
            ("ValidationError", "template_id is a required property"),
        ]
    answer = api.call("POST", "/v2/notifications/email", b"[1]")
    assert messages(answer) == [("ValidationError", "[1] is not of type object")]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"email_address": "x"}, "email_address Not a valid email address"),
        (
            {"one_click_unsubscribe_url": "http://x.mv"},
            "one_click_unsubscribe_url is not a valid https url",
        ),
        ({"one_click_unsubscribe_url": 3}, "one_click_unsubscribe_url is not a valid https url"),
        ({"sanitise_content_for": "name"}, "sanitise_content_for name is not of type array, null"),
        (
            {"scheduled_for": "tomorrow"},
            "scheduled_for datetime format is invalid. It must be a valid ISO8601 date time format, https://en.wikipedia.org/wiki/ISO_8601",
        ),
    ],
)
def test_faults_of_an_email_are_named(api: Api, changes: dict[str, Any], fault: str) -> None:
    assert messages(api.email(changes)) == [("ValidationError", fault)]


def test_a_schedule_is_checked(api: Api) -> None:
    def at(**offset: float) -> dict[str, str]:
        return {"scheduled_for": (api.clock.now() + timedelta(**offset)).isoformat()}

    late = "scheduled_for datetime can only be 7 days in the future"
    assert messages(api.sms(at(hours=-1))) == [
        ("ValidationError", "scheduled_for datetime can not be in the past")
    ]
    assert messages(api.sms(at(days=7, seconds=1))) == [("ValidationError", late)]
    assert api.sms(at(hours=23)).json["scheduled_for"] == "2026-03-04T04:00:00.000000Z"
    assert api.sms({"scheduled_for": None}).json["scheduled_for"] is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"template_id": UNKNOWN}, "Template not found"),
        (
            {"template_id": TEMPLATES["email"]},
            "email template is not suitable for sms notification",
        ),
        ({"personalisation": {"VESSEL": "x"}}, "Missing personalisation: licence"),
        ({"personalisation": {"licence": None}}, "Missing personalisation: licence, vessel"),
        (
            {"sms_sender_id": UNKNOWN},
            f"sms_sender_id {UNKNOWN} does not exist in database for service id {SERVICE_ID}",
        ),
        ({"phone_number": "+447700123456"}, "Cannot send to international mobile numbers"),
        (
            {"personalisation": {"licence": {"file": "aGk="}, "vessel": "x"}},
            "Can only send a file by email",
        ),
    ],
)
def test_rules_of_a_text_are_named(
    api: Api, store: Database, changes: dict[str, Any], fault: str
) -> None:
    answer = api.sms(changes)
    assert answer.status_code == 400
    assert messages(answer) == [("BadRequestError", fault)]
    assert stored(store) == (0, 0)


def test_files_and_reply_to_addresses_are_not_set_up(api: Api) -> None:
    file = EMAIL["personalisation"] | {"name": {"file": "aGk="}}
    [(kind, text)] = messages(api.email({"personalisation": file}))
    assert kind == "BadRequestError"
    assert text.startswith("Send files by email has not been set up - add contact details")
    [(_, text)] = messages(api.email({"email_reply_to_id": UNKNOWN}))
    assert text == (
        f"email_reply_to_id {UNKNOWN} does not exist in database for service id {SERVICE_ID}"
    )


def test_a_landline_is_a_number_that_this_service_may_not_text(api: Api) -> None:
    answer = api.sms({"phone_number": "3300101"})
    assert messages(answer) == [("InvalidPhoneError", "Not a Maldivian mobile number")]
    assert answer.status_code == 400


def test_a_long_text_is_refused_with_its_length(api: Api) -> None:
    values = {"licence": "x" * 500, "vessel": ""}
    [(_, text)] = messages(api.sms({"personalisation": values}))
    assert text.startswith(
        "Your message is too long. Text messages cannot be longer than 918 characters. "
        "Your message is 10"
    )
    values = EMAIL["personalisation"] | {"name": "x" * 2_000_000}
    [(_, text)] = messages(api.email({"personalisation": values}))
    assert "Emails cannot be longer than 2000000 bytes. Your message is 2000" in text


def test_an_empty_message_and_a_deleted_template_are_refused(api: Api, store: Database) -> None:
    only = update(Template).where(Template.id == TEMPLATES["sms"])
    with store.transaction() as session:
        session.execute(only.values(body="((licence))"))
    assert messages(api.sms({"personalisation": {"licence": " "}})) == [
        ("BadRequestError", "Your message is empty.")
    ]
    with store.transaction() as session:
        session.execute(only.values(is_archived=True))
    assert messages(api.sms()) == [("BadRequestError", "Template has been deleted")]


def test_a_template_of_another_service_is_not_found(api: Api, store: Database) -> None:
    with store.transaction() as session:
        other = session.get(Service, SERVICE_ID)
        assert other is not None
        values = {c.key: getattr(other, c.key) for c in Service.__table__.columns}
        session.add(Service(**(values | {"id": UNKNOWN})))
        session.flush()
        session.execute(update(Template).values(service_id=UNKNOWN))
    assert messages(api.sms()) == [("BadRequestError", "Template not found")]
    assert api.call("GET", f"/v2/template/{TEMPLATES['sms']}").status_code == 404
    assert api.call("GET", "/v2/templates").json == {"templates": []}


def test_a_channel_without_permission_is_refused_before_the_template(
    api: Api, store: Database
) -> None:
    with store.transaction() as session:
        session.execute(update(Service).values(permissions=[]))
    assert messages(api.sms({"template_id": UNKNOWN})) == [
        ("BadRequestError", "Service is not allowed to send text messages")
    ]
    assert messages(api.email({"template_id": UNKNOWN})) == [
        ("BadRequestError", "Service is not allowed to send emails")
    ]
    letter = {"template_id": UNKNOWN, "personalisation": {}}
    assert messages(api.call("POST", "/v2/notifications/letter", letter)) == [
        ("BadRequestError", "Service is not allowed to send letters")
    ]
    assert messages(api.sms({"template_id": "x"}))[0][0] == "ValidationError"


def test_a_team_key_reaches_the_team_only(api: Api) -> None:
    refused = "Can’t send to this recipient using a team-only API key"
    assert messages(api.sms(key="team")) == [("BadRequestError", refused)]
    assert api.sms({"phone_number": "700 0104"}, key="team").status_code == 201
    assert api.email({"email_address": "Zeena@People.example"}, key="team").status_code == 201
    # recipients are compared before numbers abroad are refused
    assert messages(api.sms({"phone_number": "+447700123456"}, key="team"))[0][1] == refused


def test_smoke_tests_are_checked_and_never_stored(api: Api, store: Database) -> None:
    answer = api.sms({"phone_number": "+44 7700 900000"})
    assert answer.status_code == 201
    assert api.call("GET", f"/v2/notifications/{answer.json['id']}").status_code == 404
    simulated = "simulate-delivered-2@notifications.service.gov.uk"
    assert api.email({"email_address": simulated}).status_code == 201
    assert api.sms({"phone_number": "+44 7700 900000", "template_id": UNKNOWN}).status_code == 400
    assert stored(store) == (0, 0)


def test_broken_json_is_refused_whatever_its_type(api: Api) -> None:
    deep = "[" * 100 + "]" * 100
    for body in (
        b"{",
        b"\xff",
        b'{"reference": "\\u0000"}',
        b'{"reference": "\\ud800"}',
        b'{"reference": NaN}',
        json.dumps({"personalisation": {"x": json.loads(deep)}}).encode(),
        b"[" * 100_000,
        b'{"reference": ' + b"9" * 5000 + b"}",
    ):
        answer = api.call("POST", "/v2/notifications/sms", body, content_type="text/plain")
        assert messages(answer) == [("BadRequestError", "Invalid JSON supplied in POST data")]
    plain = json.dumps(SMS)
    answer = api.call("POST", "/v2/notifications/sms", plain, content_type="text/plain")
    assert answer.status_code == 201


def test_nothing_personal_is_readable_in_the_database(api: Api, store: Database) -> None:
    secret = "Zubeydha-7345"
    api.sms(
        {"reference": secret, "personalisation": {"licence": secret, "vessel": secret}},
        headers={"Idempotency-Key": secret},
    )
    api.email({"personalisation": EMAIL["personalisation"] | {"name": secret}})
    with store.engine.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    for private in (secret, secret.encode().hex(), "7000101", "aishath@people", "5a6f1f0a-0000"):
        assert private not in dump, private
