"""The official Python client, unchanged, against a real server of this service."""

import threading
import uuid
from collections.abc import Iterator

import pytest
from notifications_python_client import NotificationsAPIClient
from notifications_python_client.errors import HTTPError

from servicekit.clock import SystemClock
from servicekit.database import Database
from services.notify.app import create_app
from services.notify.worker import Worker, make_providers
from tests.conftest import GATEWAY_KEY
from tests.notify.conftest import EMAIL, KEYS, SERVICE_ID, SMS, TEMPLATES, settings
from tests.notify.http_server import serving


def client(
    address: str, key_type: str = "live", secret: str | None = None
) -> NotificationsAPIClient:
    key = f"fisheries-{key_type}-{SERVICE_ID}-{secret or KEYS[key_type]['secret']}"
    made = NotificationsAPIClient(key, base_url=f"{address}/dropped/by/the/client")
    made.request_session.headers["Atoll-Gateway-Key"] = GATEWAY_KEY  # the gateway would add it
    return made


@pytest.fixture
def address(store: Database) -> Iterator[str]:
    with serving(create_app(settings(store), database=store)) as found:
        yield found


@pytest.fixture
def notify(address: str) -> Iterator[NotificationsAPIClient]:
    made = client(address)
    yield made
    made.request_session.close()


def test_it_sends_reads_and_lists(notify: NotificationsAPIClient, store: Database) -> None:
    text = notify.send_sms_notification(**SMS, reference="client-1")
    email = notify.send_email_notification(
        **EMAIL,
        reference="client-1",
        one_click_unsubscribe_url="https://fisheries.example/stop",
        sanitise_content_for={"name"},
    )
    assert text["content"]["from_number"] == "FISHERIES"
    assert email["sanitised_content"] == {}
    assert notify.get_notification_by_id(text["id"])["status"] == "created"
    made = settings(store)
    clock = SystemClock()
    Worker(made, store, make_providers(made, store, clock)).work(threading.Event())
    listed = notify.get_all_notifications(reference="client-1", status="delivered")
    assert [shown["id"] for shown in listed["notifications"]] == [email["id"], text["id"]]
    assert notify.get_all_notifications(template_type="sms", include_jobs=True)["notifications"]
    assert notify.get_notification_by_id(email["id"])["email_address"] == EMAIL["email_address"]


def test_its_iterator_walks_all_pages(
    notify: NotificationsAPIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.storage.notifications.PAGE_SIZE", 2)
    sent = [notify.send_sms_notification(**SMS)["id"] for _ in range(5)]
    walked = [shown["id"] for shown in notify.get_all_notifications_iterator()]
    assert walked == sent[::-1]
    assert list(notify.get_all_notifications_iterator(older_than=sent[0])) == []


def test_it_reads_and_previews_templates(notify: NotificationsAPIClient) -> None:
    names = [template["name"] for template in notify.get_all_templates()["templates"]]
    assert names == sorted(names)
    assert [t["type"] for t in notify.get_all_templates("email")["templates"]] == ["email"]
    now = notify.get_template(TEMPLATES["sms"])
    assert notify.get_template_version(TEMPLATES["sms"], 1) == now
    shown = notify.post_template_preview(TEMPLATES["email"], EMAIL["personalisation"])
    assert shown["subject"] == "Licence FV-0007 for Kandu Koe is granted"


def test_it_reads_errors(notify: NotificationsAPIClient, address: str) -> None:
    with pytest.raises(HTTPError) as refused:
        notify.send_sms_notification("70001", TEMPLATES["sms"])
    assert refused.value.status_code == 400
    assert refused.value.message == [
        {"error": "ValidationError", "message": "phone_number Not enough digits"}
    ]
    with pytest.raises(HTTPError) as refused:
        notify.get_notification_by_id(uuid.uuid4())
    assert refused.value.message[0]["error"] == "NoResultFound"
    with pytest.raises(HTTPError) as refused:
        notify.send_letter_notification(TEMPLATES["letter"], {"address_line_1": "x"})
    assert refused.value.message[0]["message"] == "Missing personalisation: licence, vessel"
    with pytest.raises(HTTPError) as refused:
        notify.get_all_template_versions(TEMPLATES["sms"])
    assert refused.value.status_code == 404
    stranger = client(address, secret=str(uuid.uuid4()))
    with stranger.request_session, pytest.raises(HTTPError) as refused:
        stranger.get_all_templates()
    assert refused.value.message[0]["message"] == "Invalid token: API key not found"


def test_a_team_key_and_a_test_key_work(address: str) -> None:
    team, test = client(address, "team"), client(address, "test")
    with team.request_session, test.request_session:
        with pytest.raises(HTTPError) as refused:
            team.send_sms_notification(**SMS)
        assert refused.value.message[0]["message"] == (
            "Can’t send to this recipient using a team-only API key"
        )
        assert team.send_sms_notification(**(SMS | {"phone_number": "+960 700 0104"}))
        assert test.send_sms_notification(**SMS)
        assert len(test.get_all_notifications()["notifications"]) == 1
