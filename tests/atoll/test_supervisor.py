import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atoll import processes
from atoll.exits import DONE, INTERRUPTED, SETTINGS, Stop
from atoll.home import Home
from atoll.supervisor import Plan, Supervisor, stop_leftovers
from tests.atoll.fakes import CRASHING, MISCONFIGURED, STEADY, STUBBORN, plan


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home")
    place.prepare()
    return place


class Told(list[str]):
    """What the supervisor said."""

    def __call__(self, text: str) -> None:
        self.append(text)

    def __contains__(self, part: object) -> bool:
        return any(str(part) in line for line in self)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def later(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it never came true")


def ready_at_once(_port: int) -> bool:
    return True


def never_ready(_port: int) -> bool:
    return False


def is_open() -> bool:
    return True


def services(home: Home) -> dict[str, Any]:
    return {each["name"]: each for each in (home.state() or {"services": []})["services"]}


def test_ctrl_c_leaves_no_process(home: Home) -> None:
    told, pids = Told(), []

    def ready() -> None:
        pids.extend(each["pid"] for each in services(home).values())
        press_ctrl_c()

    plans = [plan(name, STEADY, home.logs) for name in ("one", "two")]
    assert (
        Supervisor(home, "http://localhost:1", plans, ready_at_once, is_open, write=told).run(ready)
        == DONE
    )
    assert len(pids) == 2
    assert all(processes.birth(pid) is None for pid in pids)
    assert home.state() is None
    assert "Stopped." in told


def test_second_ctrl_c_kills_who_does_not_listen(home: Home) -> None:
    told = Told()

    def ready() -> None:
        wait_for(lambda: "begun" in (home.logs / "one.log").read_text())
        press_ctrl_c()
        later(lambda: (wait_for(lambda: "Stopping" in told), press_ctrl_c())[0])

    plans = [plan("one", STUBBORN, home.logs)]
    supervisor = Supervisor(home, "http://localhost:1", plans, ready_at_once, is_open, write=told)
    assert supervisor.run(ready) == INTERRUPTED


def test_killed_service_is_restarted_and_the_crash_is_shown(home: Home) -> None:
    told = Told()

    def disturb() -> None:
        first = services(home)["one"]["pid"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: services(home)["one"]["pid"] not in (first, None))
        wait_for(lambda: services(home)["one"]["state"] == "running")
        assert services(home)["one"]["restarts"] == 1
        assert services(home)["two"]["restarts"] == 0

    faults: list[BaseException] = []

    def watched() -> None:
        try:
            disturb()
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
            faults.append(error)
        press_ctrl_c()

    plans = [plan(name, STEADY, home.logs) for name in ("one", "two")]
    supervisor = Supervisor(home, "http://localhost:1", plans, ready_at_once, is_open, write=told)
    supervisor.run(lambda: later(watched) and None)
    assert not faults
    assert "one was killed (SIGKILL)" in told
    assert "one is running again." in told


def test_service_that_keeps_crashing_at_start_ends_it_with_its_last_words(home: Home) -> None:
    told = Told()
    plans = [
        plan("one", CRASHING, home.logs),
        plan("two", STEADY, home.logs),
    ]
    with pytest.raises(Stop) as stopped:
        Supervisor(home, "http://localhost:1", plans, never_ready, is_open, write=told).run(
            lambda: None
        )
    assert "one stopped 5 times" in stopped.value.message
    assert "the cable is loose" in stopped.value.message
    assert "It starts again in 0.2 s." in told
    assert "It starts again in 1.6 s." in told


def test_missing_setting_stops_the_start_with_the_faults_of_all(home: Home) -> None:
    plans = [
        plan(name, MISCONFIGURED if name != "three" else STEADY, home.logs)
        for name in ("one", "two", "three")
    ]
    with pytest.raises(Stop) as stopped:
        Supervisor(home, "http://localhost:1", plans, never_ready, is_open, write=Told()).run(
            lambda: None
        )
    assert stopped.value.code == SETTINGS
    assert "one needs a key." in stopped.value.message
    assert "two needs a key." in stopped.value.message
    assert (home.logs / "one.log").read_text().count("needs a key") == 1  # tried once


def test_unready_platform_is_given_up_by_name(home: Home) -> None:
    plans: list[Plan] = [plan("one", STEADY, home.logs)]
    supervisor = Supervisor(
        home, "http://localhost:1", plans, never_ready, is_open, write=Told(), ready_within_s=0.5
    )
    with pytest.raises(Stop, match="Not ready after 0 s: one"):
        supervisor.run(lambda: None)


def test_processes_of_a_killed_run_are_stopped_by_the_next(home: Home) -> None:
    told, pids = Told(), []

    def ready() -> None:
        pids.append(services(home)["one"]["pid"])
        kept = home.state_file.read_bytes()
        stop_leftovers(home, told)  # as the next `atoll up` would, after a kill -9 of this one
        home.state_file.write_bytes(kept)
        press_ctrl_c()

    plans = [plan("one", STEADY, home.logs)]
    Supervisor(home, "http://localhost:1", plans, ready_at_once, is_open, write=Told()).run(ready)
    assert "left behind: one" in told
    assert processes.birth(pids[0]) is None


def test_foreign_process_with_a_reused_id_is_left_alone(home: Home) -> None:
    assert processes.lives(os.getpid(), processes.birth(os.getpid()))
    assert not processes.lives(os.getpid(), "another birth")
    stale = {"name": "one", "pid": os.getpid(), "born": "another birth"}
    home.state_file.write_text(json.dumps({"services": [stale]}))
    told = Told()
    stop_leftovers(home, told)
    assert not told
