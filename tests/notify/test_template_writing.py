"""Writing templates: versions, what is refused, what is only worth a look, tests, hidden values."""

import threading
from typing import Any

import pytest

from services.notify.domain import lint
from services.notify.worker import Worker
from tests.notify.conftest import TEMPLATES, Api

RUNNING = threading.Event()
SMS = {"name": "Ready", "type": "sms", "body": "Your boat ((boat)) is ready."}


def add(api: Api, **changes: Any) -> Any:
    return api.call("POST", "/v2/templates", SMS | changes)


def test_a_new_template_can_be_sent_at_once(api: Api) -> None:
    made = add(api)
    assert made.status_code == 201
    assert (made.json["version"], made.json["updated_at"]) == (1, None)
    assert made.json["personalisation"] == {"boat": {"required": True}}
    sent = api.sms({"template_id": made.json["id"], "personalisation": {"boat": "Koe"}})
    assert sent.json["content"]["body"] == "Your boat Koe is ready."


def test_a_change_is_a_new_version_and_messages_keep_theirs(api: Api) -> None:
    made = add(api).json["id"]
    sent = api.sms({"template_id": made, "personalisation": {"boat": "Koe"}}).json
    api.clock.advance(minutes=1)
    changed = api.call("PATCH", f"/v2/template/{made}", {"body": "Ready: ((boat))"}).json
    assert (changed["version"], changed["name"]) == (2, "Ready")
    assert changed["updated_at"] == "2026-03-03T05:01:00.000000Z"
    assert api.call("GET", f"/v2/notifications/{sent['id']}").json["template"]["version"] == 1
    assert "boat" in api.call("GET", f"/v2/template/{made}/version/1").json["body"]
    again = api.sms({"template_id": made, "personalisation": {"boat": "Koe"}}).json
    assert (again["template"]["version"], again["content"]["body"]) == (2, "Ready: Koe")


def test_an_archived_template_is_read_and_not_sent(api: Api) -> None:
    made = add(api).json["id"]
    assert api.call("DELETE", f"/v2/template/{made}").status_code == 204
    assert api.call("DELETE", f"/v2/template/{made}").status_code == 204
    assert api.call("GET", f"/v2/template/{made}").status_code == 200
    refused = api.sms({"template_id": made, "personalisation": {"boat": "K"}})
    assert refused.json["errors"][0]["message"] == "Template has been deleted"
    assert api.call("PATCH", f"/v2/template/{made}", {"name": "x"}).status_code == 400
    listed = api.call("GET", "/v2/templates").json["templates"]
    assert made not in [each["id"] for each in listed]


@pytest.mark.parametrize(
    "changes",
    [
        {"body": ""},
        {"body": "   "},
        {"body": "Dear ((name"},
        {"body": "x" * 919},
        {"type": "fax"},
        {"name": None},
        {"subject": "S"},
        {"postage": "first"},
        {"type": "email"},
        {"type": "letter", "subject": "S", "postage": "pigeon"},
        {"redacted": ["code"]},
        {"more": 1},
    ],
)
def test_a_faulty_template_is_refused(api: Api, changes: Any) -> None:
    assert add(api, **changes).status_code == 400


def test_another_services_template_is_not_there(api: Api, demo: Api) -> None:
    for method in ("PATCH", "DELETE"):
        body = {"name": "mine"} if method == "PATCH" else None
        path = f"/v2/template/{TEMPLATES['sms']}"
        assert demo.call(method, path, body).status_code == 404


def rules(*arguments: Any, **options: Any) -> set[str]:
    return {found.rule for found in lint.look(*arguments, **options) if found.level != "note"}


def test_lint_sees_what_is_hard_to_read() -> None:
    plain = "Your licence is ready. You can fetch it from the office. Bring your card. " * 2
    hard = (
        "Notwithstanding the aforementioned administrative considerations, the determination of "
        "eligibility necessitates supplementary documentation substantiating habitual residence "
        "and demonstrating compliance with applicable regulatory requirements."
    )
    assert (lint.reading_age(plain) or 99) <= 12
    assert (lint.reading_age(hard) or 0) > 18
    assert lint.reading_age("Too short to say.") is None
    assert lint.reading_age("މި އީމެއިލް ލިބުން ހުއްޓާލާ " * 20) is None
    assert "reading-age" in rules("email", "S", hard)
    assert "reading-age" not in rules("email", "S", plain)


def test_lint_sees_fragments_links_subjects_and_no_way_out() -> None:
    assert rules("sms", None, "x" * 500) == {"fragments"}
    assert rules("sms", None, "x" * 160) == set()
    assert {found.rule for found in lint.look("sms", None, "ބަސް " * 20)} >= {"unicode"}
    assert rules("email", "S", "Hello") == {"missing-unsubscribe"}
    assert rules("email", "S", "Hello", has_unsubscribe=True) == set()
    assert rules("email", "S" * 91, "unsubscribe: http://a.example") == {
        "long-subject",
        "insecure-link",
    }


def test_lint_is_asked_without_saving(api: Api) -> None:
    before = api.call("GET", "/v2/templates").json
    found = api.call("POST", "/v2/templates/lint", {"type": "email", "subject": "", "body": "Hi"})
    assert {each["rule"] for each in found.json["findings"]} == {
        "no-subject",
        "missing-unsubscribe",
    }
    assert api.call("GET", "/v2/templates").json == before


def test_a_test_goes_to_the_team_alone_with_example_values(api: Api) -> None:
    path = f"/v2/template/{TEMPLATES['sms']}/test"
    team = api.call("POST", path, {"phone_number": "+960 7000104"})
    assert team.status_code == 201, team.json
    assert "<licence>" in team.json["content"]["body"]
    refused = api.call("POST", path, {"phone_number": "+960 7000101"})
    assert refused.status_code == 400
    assert "team-only" in refused.json["errors"][0]["message"]
    assert api.call("POST", path, [1]).status_code == 400
    assert api.call("POST", path, {"phone_number": "x"}).status_code == 400


def test_a_hidden_value_is_sent_and_shown_to_nobody_else(
    api: Api, worker: Worker, inbox: Any
) -> None:
    made = add(api, body="Your code is ((code)).", redacted=["Code"]).json["id"]
    sent = api.sms({"template_id": made, "personalisation": {"code": "493817"}}).json
    assert sent["content"]["body"] == "Your code is [hidden]."
    worker.work(RUNNING)
    shown = api.call("GET", f"/v2/notifications/{sent['id']}").json
    assert shown["body"] == "Your code is [hidden]."
    [message] = inbox().json["messages"]
    assert message["body"] == "Your code is 493817."
