"""The council's and the ferry's journeys, as programs of their own on a running platform."""

import json
from typing import Any

import pytest

from tests.support.platform import RunningPlatform

pytestmark = pytest.mark.process


def run(platform: RunningPlatform, journey: str) -> list[dict[str, Any]]:
    done = platform.run("demo", journey, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_three_agencies_learn_of_a_birth_from_one_record(running_platform: RunningPlatform) -> None:
    steps = run(running_platform, "birth")
    says = [step["says"] for step in steps]
    assert len([line for line in says if "learned of the birth" in line]) == 3
    assert "Mariyam Demo" in says[-1]
    assert "by letter" in says[-1]
    assert {step["trace"] for step in steps} == {steps[0]["trace"]}


def test_an_outside_business_sells_a_ticket_and_sees_no_personal_data(
    running_platform: RunningPlatform,
) -> None:
    steps = run(running_platform, "ferry")
    assert any("by text" in step["says"] for step in steps)
    assert "the door refused" in steps[-1]["says"]
    assert steps[-1]["status"] == 403
