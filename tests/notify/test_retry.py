"""Back-off: growing, bounded, and not for ever."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import retry, simulator, statuses


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1), minutes=st.integers(0, 239))
def test_the_pause_is_within_its_bound(attempts: int, jitter: float, minutes: int) -> None:
    pause = retry.delay(attempts, timedelta(minutes=minutes), "sms", lambda: jitter)
    assert pause is not None
    assert 0 <= pause <= min(5 * 2 ** min(attempts, 10), 900)


def test_texts_are_given_up_after_four_hours_and_emails_after_a_day() -> None:
    assert retry.delay(9, timedelta(hours=4), "sms", lambda: 1) is None
    assert retry.delay(9, timedelta(hours=4), "email", lambda: 1) == 900
    assert retry.delay(9, timedelta(hours=24), "email", lambda: 1) is None


def test_addresses_of_the_simulator_mean_outcomes() -> None:
    assert simulator.outcome("447700900003") == "temporary-failure"
    assert simulator.outcome("447700900002") == "permanent-failure"
    assert simulator.outcome("temp-fail@simulator.notify") == "temporary-failure"
    assert simulator.outcome("perm-fail@simulator.notify") == "permanent-failure"
    assert simulator.outcome("9607000101") == "delivered"


def test_filters_of_the_list_name_groups() -> None:
    assert statuses.meant_by(["accepted", "delivered"]) == ["created", "sending", "delivered"]
