"""Settings that make no sense stop the start, all faults in one message."""

import pytest

from gateway.settings import Settings
from servicekit.settings import SettingsError, load

GOOD = {
    "GATEWAY_UPSTREAMS": "identity=http://127.0.0.1:8011, registers=http://a:1,http://b:2/",
    "GATEWAY_SERVICE_KEYS": '{"identity": "a", "registers": "b"}',
    "GATEWAY_LOG_KEY": "A" * 43,
    "GATEWAY_DATABASE_URL": "sqlite://",
    "GATEWAY_GATEWAY_KEY": "g" * 64,
}


def test_good_settings_are_read() -> None:
    settings = load(Settings, "GATEWAY", GOOD)
    assert settings.upstream_addresses == {
        "identity": [("127.0.0.1", 8011)],
        "registers": [("a", 1), ("b", 2)],
    }
    assert settings.keys["identity"] == "a"
    assert len(settings.log_key_bytes) == 32
    assert settings.relay_port == 8000
    inside = GOOD | {"ATOLL_GATEWAY_URL": "http://gateway:8000"}
    assert load(Settings, "GATEWAY", inside).relay_port is None
    assert load(Settings, "GATEWAY", GOOD | {"GATEWAY_IPV6_LOOPBACK": "0"}).relay_port is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GATEWAY_UPSTREAMS": "identity"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=https://x:1"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=http://x"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=http://x:1,identity=http://y:1"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=http://x:1/p"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "http://x:1"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=http://x:1,x:2"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_UPSTREAMS": "identity=http://me@x:1"}, "GATEWAY_UPSTREAMS"),
        ({"GATEWAY_SERVICE_KEYS": "{}"}, "no key for identity"),
        ({"GATEWAY_SERVICE_KEYS": "["}, "GATEWAY_SERVICE_KEYS"),
        ({"GATEWAY_LOG_KEY": "short"}, "GATEWAY_LOG_KEY"),
        ({"GATEWAY_LOG_KEY": "ééé"}, "GATEWAY_LOG_KEY"),
        ({"GATEWAY_FEED_EVERY_S": "0"}, "GATEWAY_FEED_EVERY_S"),
        ({"GATEWAY_IDLE_TIMEOUT_S": "soon"}, "GATEWAY_IDLE_TIMEOUT_S"),
    ],
)
def test_a_fault_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(Settings, "GATEWAY", GOOD | changes)


def test_secrets_are_not_shown() -> None:
    shown = repr(load(Settings, "GATEWAY", GOOD))
    assert "AAAA" not in shown
    assert "gggg" not in shown
