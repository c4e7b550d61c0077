"""The commands as a person or a program meets them, on a real platform."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from atoll import processes
from atoll.exits import DONE, IN_THE_WAY, MISUSED, NOT_RUNNING, SETTINGS
from tests.support.platform import CHECKOUT, RunningPlatform, free_port, wait_for

NAMES = ["gateway", "identity", "registers", "notify", "portal", "notify-worker"]
NAMES += ["notify-simulator"]


def atoll(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "atoll", *arguments],
        env={**os.environ, "ATOLL_HOME": str(home), **more},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_runs_is_said_with_its_own_exit_code(tmp_path: Path) -> None:
    for command in ("down", "demo", "logs", "credentials", "reset"):
        done = atoll(tmp_path, command)
        assert done.returncode == NOT_RUNNING, command
        assert "atoll up" in done.stderr or "not running" in done.stderr
        assert "Traceback" not in done.stderr
    shown = atoll(tmp_path, "status", "--json")
    assert shown.returncode == NOT_RUNNING
    assert json.loads(shown.stdout) == {"gateway": None, "services": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--port", "0"),
        ("up", "--port", "99999999999999999999"),
        ("up", "--port", "eight"),
        ("up", "--workers", "-1"),
        ("fly",),
        (),
    ],
)
def test_wrong_words_are_refused_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = atoll(tmp_path, *arguments)
    assert done.returncode == MISUSED
    assert "Traceback" not in done.stderr
    assert "usage: atoll" in done.stderr


def test_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        port = server.getsockname()[1]
        done = atoll(tmp_path, "up", "--port", str(port))
    assert done.returncode == IN_THE_WAY
    assert f"Port {port} is taken" in done.stderr


@pytest.mark.process
def test_malformed_settings_stop_the_start_with_all_faults(tmp_path: Path) -> None:
    done = atoll(
        tmp_path,
        *("up", "--port", str(free_port())),
        ATOLL_PUBLIC_URL="http://atoll.example",
        NOTIFY_BATCH="many",
        GATEWAY_UPSTREAMS="",
    )
    assert done.returncode == SETTINGS, done.stderr
    assert "ATOLL_PUBLIC_URL must be https" in done.stderr
    assert "NOTIFY_BATCH cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_status_has_the_promised_shape(running_platform: RunningPlatform) -> None:
    shown = json.loads(running_platform.run("status", "--json").stdout)
    assert set(shown) == {"gateway", "services"}
    assert shown["gateway"] == running_platform.url
    assert [each["name"] for each in shown["services"]] == NAMES
    for each in shown["services"]:
        assert set(each) == {"name", "pid", "port", "state", "restarts", "started_at"}
        assert each["state"] == "ready"
        os.kill(each["pid"], 0)


@pytest.mark.process
def test_credentials_have_the_promised_shape(running_platform: RunningPlatform) -> None:
    shown = running_platform.credentials()
    assert list(shown) == ["gateway", "issuer", "people", "clients", "notify", "notify_services"]
    assert shown["issuer"] == f"{running_platform.url}/identity"
    for person in shown["people"]:
        assert set(person) == {"username", "password", "totp_secret", "name"}
    for client in shown["clients"]:
        assert set(client) >= {"client_id", "client_secret", "redirect_uris", "scopes", "audience"}
    assert set(shown["notify"]) >= {"service_id", "api_keys", "templates"}
    assert set(shown["notify"]["api_keys"]) == {"live", "team", "test"}
    assert set(shown["notify"]["templates"]) == {"sms", "email", "letter"}


@pytest.mark.process
def test_every_client_of_the_credentials_gets_its_tokens(running_platform: RunningPlatform) -> None:
    for client in running_platform.credentials()["clients"]:
        for audience in client["audience"]:
            service = audience.rpartition(":")[2]
            names = {"gateway": ("exchanges", "platform")}.get(service, (service,))
            scopes = [s for s in client["scopes"] if s.partition(".")[0] in names]
            scopes = [s for s in scopes if s not in client["person_scopes"]]
            if not scopes:
                continue
            answer = requests.post(
                f"{running_platform.url}/identity/token",
                auth=(client["client_id"], client["client_secret"]),
                data={
                    "grant_type": "client_credentials",
                    "scope": " ".join(scopes),
                    "resource": audience,
                },
                timeout=5,
            )
            assert answer.status_code == 200, (client["client_id"], audience, answer.text)


@pytest.mark.process
def test_second_up_on_one_home_is_refused(running_platform: RunningPlatform) -> None:
    for option in ((), ("--detach",)):
        done = running_platform.run("up", "--port", str(free_port()), *option)
        assert done.returncode == IN_THE_WAY
        assert "already running here" in done.stderr
        assert running_platform.url in done.stderr


@pytest.mark.process
def test_banner_tells_a_newcomer_what_to_do_and_its_curl_works(
    running_platform: RunningPlatform,
) -> None:
    told = running_platform.output()
    assert f"Open            {running_platform.url}" in told
    assert "Press Ctrl-C to stop." in told
    assert "aishath" in told
    assert "\033[" not in told  # no colour in a pipe
    found = re.search(r"curl (\S+)", told)
    assert found
    assert requests.get(found[1], timeout=5).json()["_id"] == "K-Thulusdhoo"


@pytest.mark.process
def test_logs_show_one_service_or_all(running_platform: RunningPlatform) -> None:
    requests.get(f"{running_platform.url}/registers", timeout=5)
    one = running_platform.run("logs", "registers")
    assert one.returncode == DONE
    assert '"service":"registers"' in one.stdout
    every = running_platform.run("logs").stdout
    assert {line.split()[0] for line in every.splitlines()} <= set(NAMES)
    wrong = running_platform.run("logs", "weather")
    assert wrong.returncode == MISUSED
    assert "registers" in wrong.stderr


@pytest.mark.process
def test_followed_log_shows_what_comes(running_platform: RunningPlatform) -> None:
    follower = subprocess.Popen(
        [sys.executable, "-m", "atoll", "logs", "registers", "-f"],
        env=running_platform.environment(),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert follower.stdout
    os.set_blocking(follower.stdout.fileno(), False)
    trace = os.urandom(16).hex()
    seen = b""

    def shown() -> bool:
        nonlocal seen
        requests.get(
            f"{running_platform.url}/registers",
            headers={"traceparent": f"00-{trace}-{os.urandom(8).hex()}-01"},
            timeout=5,
        )
        seen += follower.stdout.read() or b""  # type: ignore[union-attr]
        return trace.encode() in seen

    try:
        wait_for(shown, 10)
    finally:
        follower.send_signal(signal.SIGINT)
        _, errors = follower.communicate(timeout=10)
    assert b"Traceback" not in errors


@pytest.mark.process
def test_reset_brings_back_the_start_state(running_platform: RunningPlatform) -> None:
    address = f"{running_platform.url}/registers/fishing-vessel/proofs/register"
    assert running_platform.run("reset", "--yes").returncode == DONE
    fresh = requests.get(address, timeout=5).json()
    assert running_platform.run("demo").returncode == DONE
    assert requests.get(address, timeout=5).json() != fresh
    done = running_platform.run("reset", "--yes")
    assert done.returncode == DONE, done.stderr
    assert requests.get(address, timeout=5).json() == fresh
    assert running_platform.run("demo").returncode == DONE  # and everyone is still known


@pytest.mark.process
def test_platform_that_is_not_ready_says_so_for_all(running_platform: RunningPlatform) -> None:
    answer = requests.get(f"{running_platform.url}/readyz", timeout=5)
    assert answer.status_code == 200
    assert set(answer.json()["components"]) >= {"identity", "registers", "notify", "portal"}
    assert requests.get(f"{running_platform.url}/healthz", timeout=5).json() == {"status": "ok"}


@pytest.mark.process
def test_detached_platform_stops_without_leaving_a_process(tmp_path: Path) -> None:
    platform = RunningPlatform(tmp_path / "home")
    started = platform.run("up", "--port", str(platform.port), "--detach")
    assert started.returncode == DONE, started.stderr
    assert "Stop it with:" in started.stdout
    pids = [int(each["pid"]) for each in platform.status().values()]
    servers = [child for pid in pids for child in children(pid)]
    assert len(servers) >= 5
    stopped = platform.run("down")
    assert stopped.returncode == DONE, stopped.stderr
    assert not [pid for pid in [*pids, *servers] if processes.birth(pid)]
    assert platform.run("reset", "--yes").returncode == DONE  # stopped: the files are gone
    assert not list((platform.home / "data").glob("*.db"))


@pytest.mark.process
def test_supervisor_that_is_killed_takes_everyone_along(tmp_path: Path) -> None:
    platform = RunningPlatform(tmp_path / "home")
    platform.start()
    pids = [int(each["pid"]) for each in platform.status().values()]
    pids += [child for pid in pids for child in children(pid)]
    holder = int((platform.home / "run" / "lock").read_text())
    os.kill(holder, signal.SIGKILL)
    wait_for(lambda: not [pid for pid in pids if processes.birth(pid)], 20)
    platform.stop()
    again = RunningPlatform(platform.home)  # and the next start, on another port, finds all well
    again.start()
    assert again.run("demo").returncode == DONE
    began = time.monotonic()
    assert again.stop() == DONE
    assert time.monotonic() - began < 30


def children(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in shown.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]
