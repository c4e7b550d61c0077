"""Every message of the contract, word for word, from the call that brings it about."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from servicekit.database import Database
from services.notify.storage.tables import Service, Template
from tests.notify.conftest import DEMO, DEMO_ID, Api
from tests.notify.test_access import GENERAL

UNKNOWN = "00000000-0000-4000-8000-000000000000"
TEMPLATES: dict[str, str] = DEMO["templates"]
PERSONALISATION = {"name": "Amala"}
ADDRESS = {"address_line_1": "Amala", "address_line_2": "1 High Street", "postcode": "SW1 1AA"}
BODIES: dict[str, dict[str, Any]] = {
    "sms": {
        "phone_number": "07700 900123",
        "template_id": TEMPLATES["sms"],
        "personalisation": PERSONALISATION,
    },
    "email": {
        "email_address": "functional.test@people.example",
        "template_id": TEMPLATES["email"],
        "personalisation": PERSONALISATION,
    },
    "letter": {"template_id": TEMPLATES["letter"], "personalisation": ADDRESS},
}
PRECOMPILED = {"reference": "r", "content": base64.b64encode(b"%PDF-").decode()}
FILE = {"x": {"file": "YSxi"}}
TEXT = base64.b64encode(b"a,b").decode()


def send(api: Api, channel: str, changes: dict[str, Any], **options: Any) -> Any:
    body = {k: v for k, v in (BODIES[channel] | changes).items() if v is not ...}
    return api.call("POST", f"/v2/notifications/{channel}", body, **options)


def said(answer: Any) -> tuple[int, str, str]:
    assert set(answer.json) == {"status_code", "errors"}, "no message at the top"
    [error] = answer.json["errors"]
    return answer.status_code, error["error"], error["message"]


def file(**options: Any) -> dict[str, Any]:
    return {"personalisation": PERSONALISATION | {"link": {"file": TEXT} | options}}


def address(*lines: str) -> dict[str, Any]:
    return {"personalisation": {f"address_line_{n}": line for n, line in enumerate(lines, 1)}}


VALIDATION = [
    ("sms", {"phone_number": ...}, "phone_number is a required property"),
    ("sms", {"template_id": ...}, "template_id is a required property"),
    ("letter", {"personalisation": ...}, "personalisation is a required property"),
    ("sms", {"template_id": "x"}, "template_id is not a valid UUID"),
    ("sms", {"template_id": None}, "template_id is not a valid UUID"),
    ("email", {"email_reply_to_id": 7}, "email_reply_to_id is not a valid UUID"),
    ("sms", {"foo": 1}, "Additional properties are not allowed (foo was unexpected)"),
    (
        "sms",
        {"foo": 1, "bar": 1},
        "Additional properties are not allowed (bar, foo were unexpected)",
    ),
    (
        "sms",
        {"personalisation": "not_a_dict"},
        "personalisation not_a_dict is not of type object",
    ),
    ("sms", {"phone_number": None}, "phone_number None is not of type string"),
    ("sms", {"reference": "a" * 1001}, f"reference {'a' * 1001} is too long"),
    ("letter", {"reference": "a" * 1001}, f"reference {'a' * 1001} is too long"),
    (
        "email",
        {"one_click_unsubscribe_url": "http://x.mv"},
        "one_click_unsubscribe_url is not a valid https url",
    ),
    ("email", {"email_address": "x"}, "email_address Not a valid email address"),
    ("sms", {"phone_number": "07700 9001234567"}, "phone_number Too many digits"),
    ("sms", {"phone_number": "0770"}, "phone_number Not enough digits"),
    ("sms", {"phone_number": ""}, "phone_number Not enough digits"),
    ("sms", {"phone_number": "0909 8790000"}, "phone_number Not a UK mobile number"),
    ("sms", {"phone_number": "0770x"}, "phone_number Must not contain letters or symbols"),
    ("sms", {"phone_number": "+999 123456789"}, "phone_number Not a valid country prefix"),
    (
        "sms",
        {"phone_number": "0000 000 0000"},
        "phone_number Number is not valid – double check the phone number you entered",
    ),
    ("letter", address("A", "SW1 1AA"), "Address must be at least 3 lines"),
    ("letter", address("A\nb", "b", *"cdefg"), "Address must be no more than 7 lines"),
    (
        "letter",
        address("A", "-", "SW1 1AA"),
        "The first 2 lines of the address must both include at least one alphanumeric character",
    ),
    (
        "letter",
        address("A", "BFPO 1", "France"),
        "The last line of a BFPO address must not be a country.",
    ),
    ("letter", address("A", "b", "c"), "Must be a real UK postcode"),
    ("letter", address("A", "b", "France"), "Must be a real UK postcode"),
    (
        "letter",
        address("A", "[b", "SW1 1AA"),
        "Address lines must not start with any of the following characters: "
        "@ ( ) = [ ] ” \\ / , < >",
    ),
    ("letter", address("A", "No fixed abode", "SW1 1AA"), "Must be a real address"),
]


@pytest.mark.parametrize(("channel", "changes", "message"), VALIDATION)
def test_a_fault_of_form_is_named(
    demo: Api, channel: str, changes: dict[str, Any], message: str
) -> None:
    assert said(send(demo, channel, changes)) == (400, "ValidationError", message)


RULES = [
    ("sms", {"template_id": UNKNOWN}, "Template not found"),
    (
        "email",
        {"template_id": TEMPLATES["sms"]},
        "sms template is not suitable for email notification",
    ),
    ("sms", {"personalisation": {}}, "Missing personalisation: name"),
    ("letter", {"personalisation": {"postcode": "x"}}, "Missing personalisation: address_line_1"),
    ("sms", {"phone_number": "+33612345678"}, "Cannot send to international mobile numbers"),
    (
        "sms",
        {"sms_sender_id": UNKNOWN},
        f"sms_sender_id {UNKNOWN} does not exist in database for service id {DEMO_ID}",
    ),
    (
        "email",
        {"email_reply_to_id": UNKNOWN},
        f"email_reply_to_id {UNKNOWN} does not exist in database for service id {DEMO_ID}",
    ),
    ("sms", file(), "Can only send a file by email"),
    (
        "letter",
        {"personalisation": ADDRESS | {"x": {"file": TEXT}}},
        "Can only send a file by email",
    ),
    ("email", file(file=False), "file False is not of type string"),
    (
        "email",
        file(filename="report"),
        "`filename` must end with a file extension. For example, filename.csv",
    ),
    ("email", file(filename="a" * 100 + ".csv"), "`filename` cannot be longer than 100 characters"),
    (
        "email",
        file(is_csv=True, filename=None),
        "Do not set a value for `is_csv` if `filename` is set.",
    ),
    ("email", file(foo=1), "Additional properties are not allowed (foo was unexpected)"),
    (
        "email",
        file(retention_period="79 weeks"),
        "Unsupported value for retention_period: 79 weeks. "
        "Supported periods are from 1 to 78 weeks.",
    ),
    (
        "email",
        file(is_csv="yes"),
        "Unsupported value for is_csv: yes. Use a boolean true or false value.",
    ),
    (
        "email",
        file(confirm_email_before_download="no"),
        "Unsupported value for confirm_email_before_download: no. "
        "Use a boolean true or false value.",
    ),
    (
        "email",
        file(file=base64.b64encode(b"GIF89a..").decode()),
        "Unsupported file type 'image/gif'. Supported types are: '.csv', '.doc', '.docx', '.jpeg', "
        "'.jpg', '.json', '.odt', '.pdf', '.png', '.rtf', '.txt', '.xlsx'",
    ),
    ("email", file(file="!"), "file is not base64 encoded"),
    (
        "email",
        file(file=base64.b64encode(bytes(2 * 1024 * 1024 + 1025)).decode()),
        "File is larger than 2MB",
    ),
    (
        "sms",
        {"personalisation": {"name": "x" * 900}},
        "Your message is too long. Text messages cannot be longer than 918 characters. "
        "Your message is 954 characters long.",
    ),
    (
        "email",
        {"personalisation": {"name": "x" * 2_000_000}},
        "Your message is too long. Emails cannot be longer than 2000000 bytes. "
        "Your message is 2000060 bytes.",
    ),
]


@pytest.mark.parametrize(("channel", "changes", "message"), RULES)
def test_a_rule_that_is_broken_is_named(
    demo: Api, channel: str, changes: dict[str, Any], message: str
) -> None:
    assert said(send(demo, channel, changes)) == (400, "BadRequestError", message)


def test_a_landline_is_no_mobile_for_a_service_without_the_permission(demo: Api) -> None:
    answer = send(demo, "sms", {"phone_number": "020 7946 0958"})
    assert said(answer) == (400, "InvalidPhoneError", "Not a UK mobile number")


def test_schedules_are_told_apart(demo: Api) -> None:
    def fault(value: Any) -> str:
        return said(send(demo, "sms", {"scheduled_for": value}))[2]

    now = demo.clock.now()
    assert fault((now - timedelta(hours=1)).isoformat()) == (
        "scheduled_for datetime can not be in the past"
    )
    assert fault((now + timedelta(days=7, hours=1)).isoformat()) == (
        "scheduled_for datetime can only be 7 days in the future"
    )
    assert fault("soon") == (
        "scheduled_for datetime format is invalid. It must be a valid ISO8601 date time format, "
        "https://en.wikipedia.org/wiki/ISO_8601"
    )


SET_UP = [
    ("sms", {"permissions": []}, "Service is not allowed to send text messages"),
    ("email", {"permissions": []}, "Service is not allowed to send emails"),
    ("letter", {"permissions": []}, "Service is not allowed to send letters"),
    (
        "sms",
        {"is_restricted": True},
        "Can’t send to this recipient when service is in trial mode – see "
        "https://www.notifications.service.gov.uk/trial-mode",
    ),
    ("letter", {"is_restricted": True}, "Cannot send letters when service is in trial mode"),
    (
        "email",
        {"file_contact": None},
        "Send files by email has not been set up - add contact details for your service at "
        f"http://localhost:8000/services/{DEMO_ID}/service-settings/send-files-by-email",
    ),
]


@pytest.mark.parametrize(("channel", "values", "message"), SET_UP)
def test_what_a_service_may_not_do_is_named(
    demo: Api, store: Database, channel: str, values: dict[str, Any], message: str
) -> None:
    with store.transaction() as session:
        session.execute(update(Service).values(**values))
    changes = {
        "sms": {"phone_number": "07700 900999"},
        "email": file(),
        "letter": {},
    }[channel]
    status = 403 if "trial mode" in message and channel == "letter" else 400
    assert said(send(demo, channel, changes)) == (status, "BadRequestError", message)


def test_an_address_abroad_is_asked_for_where_letters_may_go_there(
    demo: Api, store: Database
) -> None:
    with store.transaction() as session:
        session.execute(update(Service).values(permissions=["letter", "international_letters"]))
    assert said(send(demo, "letter", address("A", "b", "c"))) == (
        400,
        "ValidationError",
        "Last line of address must be a real UK postcode or another country",
    )
    sent = send(demo, "letter", address("A", "b", "France")).json
    assert demo.call("GET", f"/v2/notifications/{sent['id']}").json["postage"] == "europe"


def test_a_team_key_is_told_whom_it_may_not_reach(demo: Api) -> None:
    message = "Can’t send to this recipient using a team-only API key"
    other = {"phone_number": "07700 900999"}
    assert said(send(demo, "sms", other, key="team")) == (400, "BadRequestError", message)
    assert said(send(demo, "letter", {}, key="team")) == (
        403,
        "BadRequestError",
        "Cannot send letters with a team api key",
    )


def test_a_templates_end_and_an_empty_message_are_told(demo: Api, store: Database) -> None:
    with store.transaction() as session:
        session.execute(update(Template).values(body="((name))"))
    blank = {"personalisation": {"name": " "}}
    assert said(send(demo, "sms", blank))[2] == "Your message is empty."
    with store.transaction() as session:
        session.execute(update(Template).values(is_archived=True))
    assert said(send(demo, "sms", {}))[2] == "Template has been deleted"


def test_a_precompiled_letter_is_told_what_is_wrong(demo: Api) -> None:
    def fault(**changes: Any) -> tuple[int, str, str]:
        return said(demo.call("POST", "/v2/notifications/letter", PRECOMPILED | changes))

    assert fault(content="x") == (
        400,
        "BadRequestError",
        "Cannot decode letter content (invalid base64 encoding)",
    )
    assert fault(postage="third") == (
        400,
        "ValidationError",
        "postage invalid. It must be either first, second or economy.",
    )
    long = PRECOMPILED | {"reference": "a" * 1001}
    assert demo.call("POST", "/v2/notifications/letter", long).status_code == 201


def test_a_qr_code_that_nobody_could_read_is_refused_with_its_size(
    demo: Api, store: Database
) -> None:
    with store.transaction() as session:
        session.execute(update(Template).values(body="qr: ((link))"))
    link = "https://x.example/" + "a" * 500
    answer = send(demo, "letter", {"personalisation": ADDRESS | {"link": link}})
    assert answer.json["errors"] == [
        {
            "error": "ValidationError",
            "message": "Cannot create a usable QR code - the link is too long",
            "data": link,
            "num_bytes": len(link),
            "max_bytes": 504,
        }
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/notifications/x", "notification_id is not a valid UUID"),
        ("/v2/notifications/x/pdf", "notification_id is not a valid UUID"),
        ("/v2/template/x", "id is not a valid UUID"),
        (
            "/v2/received-text-messages?page=2",
            "Additional properties are not allowed (page was unexpected)",
        ),
        ("/v2/received-text-messages?older_than=x", "older_than is not a valid UUID"),
        (
            "/v2/notifications?template_type=orange",
            "template_type orange is not one of [sms, email, letter]",
        ),
    ],
)
def test_a_wrong_address_or_query_is_named(demo: Api, path: str, message: str) -> None:
    assert said(demo.call("GET", path)) == (400, "ValidationError", message)


@pytest.mark.parametrize(
    "path",
    [f"/v2/notifications/{UNKNOWN}", f"/v2/notifications/{UNKNOWN}/pdf", f"/v2/template/{UNKNOWN}"],
)
def test_what_is_not_there_has_one_message(demo: Api, path: str) -> None:
    assert said(demo.call("GET", path)) == (404, "NoResultFound", "No result found")


def test_broken_json_and_broken_tokens_are_told(demo: Api) -> None:
    answer = demo.call("POST", "/v2/notifications/sms", b"{")
    assert said(answer) == (400, "BadRequestError", "Invalid JSON supplied in POST data")
    answer = demo.call("GET", "/v2/templates", headers={"Authorization": "Bearer x"})
    assert said(answer) == (403, "AuthError", GENERAL)
