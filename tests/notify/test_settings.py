"""Settings that cannot work stop start-up, all faults at once."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from servicekit import migrate
from servicekit.database import Database
from servicekit.settings import SettingsError, load
from services.notify import start_state
from services.notify.settings import Settings
from services.notify.storage.tables import PersonAddress
from tests.notify.conftest import DATA_KEY, START_STATE, settings

WHOLE = {
    "NOTIFY_DATABASE_URL": "sqlite://",
    "NOTIFY_GATEWAY_KEY": "k" * 64,
    "NOTIFY_DATA_KEY": DATA_KEY,
}


def test_only_the_keys_and_the_database_are_required() -> None:
    loaded = load(Settings, "NOTIFY", WHOLE)
    assert loaded.smtp_host is None
    assert loaded.raw_data_key() == bytes(range(32))
    with pytest.raises(SettingsError) as stopped:
        load(Settings, "NOTIFY", {})
    assert str(stopped.value).count(" is required: ") == 3


def test_secrets_are_not_shown() -> None:
    shown = repr(
        load(Settings, "NOTIFY", WHOLE | {"SMTP_PASSWORD": "hidden-1", "SMTP_USERNAME": "u"})
    )
    assert "hidden-1" not in shown
    assert DATA_KEY not in shown


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"NOTIFY_DATA_KEY": "short"}, "The data key must be 32 bytes in base64url."),
        ({"NOTIFY_START_STATE": "{"}, "NOTIFY_START_STATE is not JSON."),
        ({"NOTIFY_START_STATE": "[]"}, "NOTIFY_START_STATE must be a JSON object."),
        (
            {"NOTIFY_START_STATE": "{}", "ATOLL_PUBLIC_URL": "https://atoll.example"},
            "NOTIFY_START_STATE is for demonstrations: it needs a loopback ATOLL_PUBLIC_URL.",
        ),
        ({"NOTIFY_POLL_S": "0"}, "NOTIFY_POLL_S must be between"),
        ({"NOTIFY_BATCH": "0"}, "NOTIFY_BATCH must be between"),
        ({"NOTIFY_LEASE_S": "0"}, "NOTIFY_LEASE_S must be between"),
        ({"SMTP_HOST": "mail", "SMTP_SECURITY": "ssl"}, "SMTP_SECURITY must be one of"),
        ({"SMTP_HOST": "mail", "SMTP_SECURITY": "none"}, "for a mail server on this machine only"),
        ({"SMTP_HOST": "mail", "NOTIFY_LEASE_S": "5"}, "NOTIFY_LEASE_S must be at least 12"),
        ({"SMTP_HOST": "mail", "SMTP_PORT": "0"}, "SMTP_PORT must be between"),
        (
            {"SMTP_HOST": "mail", "SMTP_USERNAME": "u"},
            "SMTP_USERNAME and SMTP_PASSWORD go together",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_named(changes: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        load(Settings, "NOTIFY", WHOLE | changes)
    assert fault in str(stopped.value)


def test_without_a_start_state_nothing_is_made(sqlite: Database) -> None:
    empty: dict[str, Any] = {"start_state": None}
    migrate.upgrade("services.notify", sqlite)
    migrate.load_start_state("services.notify", settings(sqlite, **empty), sqlite)
    with sqlite.snapshot() as session:
        assert start_state.is_empty(session)


def test_the_start_state_is_loaded_once(store: Database) -> None:
    changed = json.dumps(START_STATE | {"people": {}})
    migrate.load_start_state("services.notify", settings(store, start_state=changed), store)
    with store.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(PersonAddress)) == 15
