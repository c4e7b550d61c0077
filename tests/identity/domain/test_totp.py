"""One-time codes: the standard's own examples, an independent library, and no second use."""

import base64
from datetime import UTC, datetime

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()
MOMENTS = st.integers(10**6, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SECRETS = st.binary(min_size=16, max_size=32).map(
    lambda secret: base64.b32encode(secret).decode().rstrip("=")
)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_examples_of_rfc_6238_hold(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_at(SECRET, totp.step_at(moment)) == code


@given(SECRETS, MOMENTS)
def test_codes_are_those_of_an_independent_library(secret: str, moment: datetime) -> None:
    assert totp.code_at(secret, totp.step_at(moment)) == pyotp.TOTP(secret).at(moment)


@given(SECRETS, MOMENTS, st.integers(-1, 1))
def test_a_code_of_a_step_nearby_is_taken_once(secret: str, moment: datetime, ahead: int) -> None:
    code = totp.code_at(secret, totp.step_at(moment) + ahead)
    step = totp.matching_step(secret, code, moment, None)
    assert step is not None
    again = totp.matching_step(secret, code, moment, step)
    assert again is None or again > step  # two steps can share a code by chance


@given(SECRETS, MOMENTS, st.text(max_size=20))
def test_any_text_is_judged_and_never_fails(secret: str, moment: datetime, text: str) -> None:
    step = totp.matching_step(secret, text, moment, None)
    near = {totp.code_at(secret, step) for step in totp.steps_near(moment)}
    assert (step is not None) == ("".join(text.split()) in near)


def test_a_code_two_steps_away_is_refused() -> None:
    moment = datetime(2026, 3, 3, tzinfo=UTC)
    for ahead in (-2, 2):
        code = totp.code_at(SECRET, totp.step_at(moment) + ahead)
        assert totp.matching_step(SECRET, code, moment, None) is None


@given(MOMENTS, st.integers(-3, 3))
def test_the_demonstrations_code_is_one_that_will_be_taken(moment: datetime, used: int) -> None:
    last = totp.step_at(moment) + used
    step = totp.unused_step(moment, last)
    assert (step is None) == (used >= 1)
    if step is not None:
        code = totp.code_at(SECRET, step)
        taken = totp.matching_step(SECRET, code, moment, last)
        assert taken is not None
