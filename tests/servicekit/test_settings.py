"""Settings: every fault in one message, secrets from files, plain http on loopback only."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from servicekit.settings import ServiceSettings, SettingsError, load, setting

GOOD = {"DEMO_DATABASE_URL": "sqlite://", "DEMO_GATEWAY_KEY": "k" * 64}


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    pause_s: float = setting("Seconds between two looks.", default=0.5)
    attempts: int = setting("How often to try.", default=3)
    host: str | None = setting("Where mail goes.", default=None, env="SMTP_HOST")
    shown: bool = setting("Whether it is shown.", default=False)


def test_defaults_hold_and_variables_override() -> None:
    settings = load(Settings, "DEMO", GOOD | {"DEMO_PAUSE_S": "2", "SMTP_HOST": "mail.example"})
    assert (settings.pause_s, settings.attempts, settings.host) == (2.0, 3, "mail.example")
    assert settings.issuer == "http://localhost:8000/identity"


def test_every_fault_stands_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, "DEMO", {"DEMO_ATTEMPTS": "many", "DEMO_SHOWN": "perhaps"})
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == [
        "DEMO_DATABASE_URL",
        "DEMO_GATEWAY_KEY",
        "DEMO_ATTEMPTS",
        "DEMO_SHOWN",
    ]


def test_a_secret_comes_from_a_file_or_the_secrets_folder(tmp_path: Path) -> None:
    (tmp_path / "gateway-key").write_text("f" * 64 + "\n")
    (tmp_path / "url").write_text("sqlite:///x.db\n")
    settings = load(
        Settings,
        "DEMO",
        {"ATOLL_SECRETS": str(tmp_path), "DEMO_DATABASE_URL_FILE": str(tmp_path / "url")},
    )
    assert settings.gateway_key == "f" * 64
    assert settings.database_url == "sqlite:///x.db"
    assert "f" * 64 not in repr(settings)


def test_an_unreadable_file_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DEMO_GATEWAY_KEY cannot be read"):
        load(Settings, "DEMO", {**_without_key(), "DEMO_GATEWAY_KEY_FILE": str(tmp_path / "no")})


@pytest.mark.parametrize("url", ["http://atoll.example", "ftp://localhost", "localhost:8000"])
def test_a_public_address_must_be_https_or_loopback(url: str) -> None:
    with pytest.raises(SettingsError, match="ATOLL_PUBLIC_URL"):
        load(Settings, "DEMO", GOOD | {"ATOLL_PUBLIC_URL": url})


@pytest.mark.parametrize("url", ["https://atoll.example", "http://127.0.0.1:8000"])
def test_https_anywhere_and_http_on_loopback_are_accepted(url: str) -> None:
    assert load(Settings, "DEMO", GOOD | {"ATOLL_PUBLIC_URL": url}).public_url == url


def test_a_short_gateway_key_stops_start_up() -> None:
    with pytest.raises(SettingsError, match="at least 32 characters"):
        load(Settings, "DEMO", GOOD | {"DEMO_GATEWAY_KEY": "short"})


def _without_key() -> dict[str, str]:
    return {"DEMO_DATABASE_URL": "sqlite://"}


def test_test_hosts_are_loopback_and_for_a_loopback_platform_only() -> None:
    declared = GOOD | {"ATOLL_TEST_HOSTS": "localhost, 127.0.0.1:9000,[::1]:9000"}
    settings = load(Settings, "DEMO", declared)
    assert settings.callback_test_hosts == {"localhost", "127.0.0.1:9000", "[::1]:9000"}
    for more in (
        {"ATOLL_TEST_HOSTS": "10.0.0.1"},
        {"ATOLL_TEST_HOSTS": "localhost.example"},
        {"ATOLL_PUBLIC_URL": "https://atoll.example", "ATOLL_GATEWAY_URL": "http://gateway:8000"},
    ):
        with pytest.raises(SettingsError, match="ATOLL_TEST_HOSTS"):
            load(Settings, "DEMO", declared | more)
