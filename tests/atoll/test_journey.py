"""The licence journey against real processes, and kill -9 of each of them in its midst."""

import json
import subprocess
import sys
import time
import uuid
from typing import Any

import jwt
import pytest
import requests

from tests.support.platform import CHECKOUT, RunningPlatform, wait_for

pytestmark = pytest.mark.process

PROCESSES = ("gateway", "identity", "registers", "notify", "portal", "notify-worker")
KILL_AFTER_STEP = (1, 5, 9)


def start(platform: RunningPlatform, application: str) -> "subprocess.Popen[str]":
    journey = subprocess.Popen(
        [sys.executable, "examples/vessel_licence.py", "--json", "--application", application],
        cwd=CHECKOUT,
        env={**platform.environment(), "ATOLL_CREDENTIALS": "-"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert journey.stdin
    journey.stdin.write(json.dumps(platform.credentials()))
    journey.stdin.close()
    journey.stdin = None
    return journey


def entries_of(platform: RunningPlatform, key: str) -> list[Any]:
    address = f"{platform.url}/registers/fishing-vessel/records/{key}/entries"
    return list(requests.get(address, timeout=5).json())


def messages_about(platform: RunningPlatform, application: str) -> list[dict[str, Any]]:
    key = platform.credentials()["notify"]["api_keys"]["live"]
    claims = {"iss": key[-73:-37], "iat": int(time.time())}
    token = jwt.encode(claims, key[-36:], algorithm="HS256")
    answer = requests.get(
        f"{platform.url}/v2/notifications",
        params={"reference": application},
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    return list(answer.json()["notifications"])


def registered_key(application: str) -> str:
    import hashlib

    return f"DEMO-{hashlib.sha256(application.encode()).hexdigest()[:8].upper()}"


def assert_done_once(platform: RunningPlatform, application: str) -> None:
    assert len(entries_of(platform, registered_key(application))) == 1
    messages = messages_about(platform, application)
    assert sorted(message["type"] for message in messages) == ["email", "sms"]

    def all_delivered() -> bool:
        return all(m["status"] == "delivered" for m in messages_about(platform, application))

    wait_for(all_delivered, 40)


def test_journey_is_narrated_and_checked(running_platform: RunningPlatform) -> None:
    told = running_platform.run("demo")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "contact details of Aishath Demo" in told.stdout
    assert "checked the proof itself" in told.stdout
    assert "/portal/happened?trace=" in told.stdout


def test_every_call_of_the_journey_is_one_trace_at_the_door(
    running_platform: RunningPlatform,
) -> None:
    told = running_platform.run("demo", "--json")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert len({line["trace"] for line in lines}) == 1
    assert {line["status"] for line in lines} <= {200, 201, None}
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))


def test_same_application_acts_once(running_platform: RunningPlatform) -> None:
    application = uuid.uuid4().hex
    for _ in range(2):
        told = running_platform.run("demo", "--application", application)
        assert told.returncode == 0, told.stdout + told.stderr
    assert_done_once(running_platform, application)


@pytest.mark.parametrize("after_step", KILL_AFTER_STEP)
@pytest.mark.parametrize("name", PROCESSES)
def test_journey_survives_the_kill_of_a_process(
    running_platform: RunningPlatform, name: str, after_step: int
) -> None:
    application = uuid.uuid4().hex
    before = running_platform.status()[name]
    journey = start(running_platform, application)
    assert journey.stdout
    for _ in range(after_step):
        journey.stdout.readline()
    killed = running_platform.kill(name)
    assert killed == before["pid"]
    _, errors = journey.communicate(timeout=60)
    if journey.returncode != 0:  # what it could not wait for, it does on the next try
        again = running_platform.run("demo", "--application", application)
        assert again.returncode == 0, errors + again.stdout + again.stderr
    running_platform.wait_until_ready()
    after = running_platform.status()[name]
    assert after["restarts"] == before["restarts"] + 1
    assert after["pid"] != killed
    assert_done_once(running_platform, application)
    assert f"{name} was killed (SIGKILL)" in running_platform.output()


@pytest.mark.parametrize("name", PROCESSES[:-1])
def test_kill_of_the_process_that_answers_is_noticed(
    running_platform: RunningPlatform, name: str
) -> None:
    application = uuid.uuid4().hex
    before = running_platform.status()[name]["restarts"]
    running_platform.kill(name, server=True)
    told = running_platform.run("demo", "--application", application)
    assert told.returncode == 0, told.stdout + told.stderr
    running_platform.wait_until_ready()
    assert running_platform.status()[name]["restarts"] == before + 1
    assert_done_once(running_platform, application)
