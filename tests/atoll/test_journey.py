"""The licence journey against real processes, and kill -9 of each of them in its midst."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from typing import Any

import jwt
import pytest
import requests

from atoll.exits import AT_THE_DOOR
from tests.support.platform import CHECKOUT, RunningPlatform, wait_for

pytestmark = pytest.mark.process

PROCESSES = ("gateway", "identity", "registers", "notify", "portal", "notify-worker")
PROCESSES += ("notify-simulator",)
KILL_AFTER_STEP = range(1, 11) if os.environ.get("ATOLL_SOAK") else (1, 5, 9)


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


def form_of(page: str, action: str) -> dict[str, str]:
    """Return the filled fields of the form that is sent to this path."""
    found = re.search(rf'<form[^>]*action="{action}".*?</form>', page, re.S)
    assert found, page
    fields = {}
    for tag in re.findall(r"<input[^>]*>", found[0]):
        name = re.search(r' name="([^"]*)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        if name:
            fields[name[1]] = value[1] if value else ""
    return fields


def sign_in(platform: RunningPlatform, username: str) -> requests.Session:
    """Sign in as a demonstration person by the one press that fills the form."""
    browser = requests.Session()
    page = browser.get(f"{platform.url}/identity/consents", timeout=5)
    page = browser.get(f"{platform.url}/identity/sign-in?person={username}", timeout=5)
    fields = form_of(page.text, "/identity/sign-in")
    answer = browser.post(f"{platform.url}/identity/sign-in", data=fields, timeout=5)
    assert answer.status_code == 200, answer.text
    return browser


def test_withdrawn_consent_stops_the_journey_at_the_door(
    running_platform: RunningPlatform,
) -> None:
    browser = sign_in(running_platform, "aishath")
    page = browser.get(f"{running_platform.url}/identity/consents", timeout=5).text
    withdraw = of_the_department(page, "withdraw")
    fields = form_of(page, withdraw)
    answer = browser.post(f"{running_platform.url}{withdraw}", data=fields, timeout=5)
    assert answer.status_code == 200
    told = refusal(running_platform)  # at once, by identity or by the door
    assert "Nothing was read." in told
    assert "entered the vessel" not in told
    wait_for(lambda: "was withdrawn on" in refusal(running_platform), 10)
    page = browser.get(f"{running_platform.url}/identity/consents", timeout=5).text
    renew = of_the_department(page, "renew")
    browser.post(
        f"{running_platform.url}{renew}", data=form_of(page, renew), timeout=5
    ).raise_for_status()
    wait_for(lambda: running_platform.run("demo").returncode == 0, 10)


def of_the_department(page: str, action: str) -> str:
    """Return where the form of the department's newest agreement is sent; there are others."""
    for card in page.split("govuk-summary-card__title"):
        found = re.search(rf'action="(/identity/consents/[^"]+/{action})"', card)
        if found and "Fisheries" in card[:60]:
            return found[1]
    raise AssertionError(page)


def refusal(platform: RunningPlatform) -> str:
    """Run the journey, which must be refused, and return what it said."""
    done = platform.run("demo")
    assert done.returncode == AT_THE_DOOR, done.stdout + done.stderr
    return done.stdout


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


@pytest.mark.parametrize("name", PROCESSES[:-2])
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
