"""GET: one message, pages of messages, templates and previews."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import insert, update

from servicekit.database import Database
from services.notify.storage.tables import Notification, Template
from tests.notify.conftest import EMAIL, TEMPLATES, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_a_text_is_shown_with_every_member(api: Api) -> None:
    sent = api.sms({"reference": "A-1", "phone_number": " 700 0101\u200b"}).json
    shown = api.call("GET", f"/v2/notifications/{sent['id']}").json
    assert MOMENT.fullmatch(shown.pop("created_at"))
    assert shown == {
        "id": sent["id"],
        "reference": "A-1",
        "email_address": None,
        "phone_number": "700 0101",
        "line_1": None,
        "line_2": None,
        "line_3": None,
        "line_4": None,
        "line_5": None,
        "line_6": None,
        "postcode": None,
        "type": "sms",
        "status": "created",
        "template": {
            "id": TEMPLATES["sms"],
            "version": 1,
            "uri": f"http://localhost:8000/v2/template/{TEMPLATES['sms']}/version/1",
        },
        "body": sent["content"]["body"],
        "subject": None,
        "created_by_name": None,
        "sent_at": None,
        "completed_at": None,
        "scheduled_for": None,
        "postage": None,
        "one_click_unsubscribe_url": None,
        "cost_details": {},
        "cost_in_pounds": None,
        "is_cost_data_ready": False,
        "status_description": None,
        "provider_response": None,
    }


def test_an_email_is_shown_with_its_subject_and_no_cost(api: Api) -> None:
    sent = api.email().json
    shown = api.call("GET", f"/v2/notifications/{sent['id']}", key="test").json
    assert shown["email_address"] == "aishath@people.example"
    assert shown["subject"] == sent["content"]["subject"]
    assert (shown["cost_in_pounds"], shown["is_cost_data_ready"]) == (0.0, True)


def refusal(answer: Any) -> tuple[int, str, str]:
    [error] = answer.json["errors"]
    return answer.status_code, error["error"], error["message"]


def test_what_is_not_there_is_not_found(api: Api) -> None:
    assert refusal(api.call("GET", f"/v2/notifications/{UNKNOWN}")) == (
        404,
        "NoResultFound",
        "No result found",
    )
    assert refusal(api.call("GET", "/v2/notifications/x")) == (
        400,
        "ValidationError",
        "notification_id is not a valid UUID",
    )
    assert refusal(api.call("GET", "/v2/template/x"))[2] == "id is not a valid UUID"
    assert refusal(api.call("POST", "/v2/template/x/preview"))[2] == "id is not a valid UUID"
    for version in (2, 10**30):
        path = f"/v2/template/{TEMPLATES['sms']}/version/{version}"
        assert refusal(api.call("GET", path))[0] == 404


def test_an_unhyphenated_id_passes(api: Api) -> None:
    sent = api.sms().json["id"]
    path = f"/v2/notifications/{sent.replace('-', '').upper()}"
    assert api.call("GET", path).json["id"] == sent


def test_pages_are_newest_first_and_next_is_there_on_every_page_but_an_empty_one(
    api: Api,
) -> None:
    ids = [api.sms().json["id"]]
    for _ in range(3):
        api.clock.advance(seconds=1)
        ids.append(api.email().json["id"])
    first = api.call("GET", "/v2/notifications").json
    assert [shown["id"] for shown in first["notifications"]] == ids[::-1]
    assert set(first["links"]) == {"current", "next"}
    assert first["links"]["current"] == "http://localhost:8000/v2/notifications"
    following = urlsplit(first["links"]["next"])
    assert parse_qs(following.query) == {"older_than": [ids[0]]}
    last = api.call("GET", f"{following.path}?{following.query}").json
    assert last["notifications"] == []
    assert set(last["links"]) == {"current"}
    middle = api.call("GET", f"/v2/notifications?older_than={ids[2]}").json
    assert [shown["id"] for shown in middle["notifications"]] == [ids[1], ids[0]]
    assert api.call("GET", f"/v2/notifications?older_than={UNKNOWN}").json["notifications"] == []


def test_messages_of_one_moment_are_not_lost_between_pages(
    api: Api, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.storage.notifications.PAGE_SIZE", 3)
    sent = {api.sms().json["id"] for _ in range(8)}
    seen: list[str] = []
    path = "/v2/notifications"
    while page := api.call("GET", path).json["notifications"]:
        assert len(page) <= 3
        seen += [shown["id"] for shown in page]
        path = f"/v2/notifications?older_than={seen[-1]}"
    assert sorted(seen) == sorted(sent)


def test_a_list_shows_what_was_made_with_the_same_type_of_key(api: Api) -> None:
    live, test = api.sms().json["id"], api.sms(key="test").json["id"]
    assert [n["id"] for n in api.call("GET", "/v2/notifications").json["notifications"]] == [live]
    listed = api.call("GET", "/v2/notifications", key="test").json["notifications"]
    assert [n["id"] for n in listed] == [test]
    assert api.status(test) == "created"


def test_lists_are_filtered(api: Api, store: Database) -> None:
    text, email = api.sms({"reference": "A-1"}).json["id"], api.email().json["id"]
    with store.transaction() as session:
        session.execute(
            update(Notification).where(Notification.id == email).values(status="permanent-failure")
        )

    def found(query: str) -> set[str]:
        answer = api.call("GET", f"/v2/notifications?{query}")
        assert answer.status_code == 200
        return {shown["id"] for shown in answer.json["notifications"]}

    assert found("template_type=sms") == {text}
    assert found("template_type=sms&template_type=email") == {text, email}
    assert found("status=failed") == {email}
    assert found("status=accepted") == {text}
    assert found("status=accepted&status=failed") == {text, email}
    assert found("status=received") == set()
    assert found("reference=A-1") == {text}
    assert found("reference=%00%ff") == set()
    assert found("include_jobs=True") == {text, email}


def test_a_wrong_query_is_told_what_is_wrong(api: Api) -> None:
    def fault(query: str) -> str:
        code, error, message = refusal(api.call("GET", f"/v2/notifications?{query}"))
        assert (code, error) == (400, "ValidationError")
        return message

    assert (
        fault("template_type=orange") == "template_type orange is not one of [sms, email, letter]"
    )
    assert fault("status=x") == (
        "status x is not one of [cancelled, created, sending, sent, delivered, pending, failed, "
        "technical-failure, temporary-failure, permanent-failure, pending-virus-check, "
        "validation-failed, virus-scan-failed, returned-letter, accepted, received]"
    )
    assert fault("older_than=x") == "older_than is not a valid UUID"
    assert fault("page=2") == "Additional properties are not allowed (page was unexpected)"
    assert fault("include_jobs=yes") == "include_jobs yes is not one of [true, True]"
    assert refusal(api.call("GET", "/v2/templates?type=x"))[2] == (
        "type x is not one of [sms, email, letter]"
    )


def test_templates_are_listed_by_name(api: Api) -> None:
    listed = api.call("GET", "/v2/templates").json["templates"]
    assert [template["type"] for template in listed] == ["letter", "email", "sms"]
    only = api.call("GET", "/v2/templates?type=sms").json["templates"]
    assert [template["id"] for template in only] == [TEMPLATES["sms"]]
    one = api.call("GET", f"/v2/template/{TEMPLATES['email']}").json
    assert one in listed
    assert list(one["personalisation"]) == ["licence", "vessel", "name", "island"]
    assert one["personalisation"]["name"] == {"required": True}
    assert one["created_by"] == "hassan@people.example"
    assert (one["version"], one["updated_at"]) == (1, None)


def test_every_version_of_a_template_stays_readable(api: Api, store: Database) -> None:
    sent = api.sms().json
    with store.transaction() as session:
        first = session.get(Template, (TEMPLATES["sms"], 1))
        assert first is not None
        values = {c.key: getattr(first, c.key) for c in Template.__table__.columns}
        session.execute(insert(Template).values(values | {"version": 2, "body": "New ((vessel))"}))
    path = f"/v2/template/{TEMPLATES['sms']}"
    assert api.call("GET", path).json["body"] == "New ((vessel))"
    assert api.call("GET", path).json["updated_at"] is not None
    assert api.call("GET", f"{path}/version/1").json["body"].startswith("Your licence")
    assert api.sms().json["template"]["version"] == 2
    shown = api.call("GET", f"/v2/notifications/{sent['id']}").json
    assert shown["template"]["version"] == 1
    assert [t["version"] for t in api.call("GET", "/v2/templates?type=sms").json["templates"]] == [
        2
    ]


def test_a_preview_shows_what_would_be_sent(api: Api) -> None:
    path = f"/v2/template/{TEMPLATES['email']}/preview"
    values = EMAIL["personalisation"] | {"name": "<b>Aishath</b>"}
    shown = api.call("POST", path, {"personalisation": values}).json
    assert set(shown) == {"id", "type", "version", "body", "html", "subject", "postage"}
    assert "Dear <b>Aishath</b>," in shown["body"]
    assert "Dear &lt;b&gt;Aishath&lt;/b&gt;," in shown["html"]
    assert '<li dir="auto">Anyone can check' in shown["html"]
    missing = "Missing personalisation: licence, vessel, name, island"
    for body in (None, b"", b"null", b"{}"):
        assert refusal(api.call("POST", path, body))[1:] == ("BadRequestError", missing)
    text = api.call(
        "POST",
        f"/v2/template/{TEMPLATES['sms']}/preview",
        {"personalisation": {"licence": "1", "vessel": "v"}},
    ).json
    assert text["html"] is None
    assert text["body"].startswith("Your licence 1 for v is granted.")
