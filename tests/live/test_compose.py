"""The journey against `docker compose up`: real containers, PostgreSQL, a project of its own."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.platform import CHECKOUT, free_port, wait_for

pytestmark = pytest.mark.compose

SERVICES = ("gateway", "identity", "registers", "notify", "notify-worker", "portal", "postgres")
SERVICES += ("notify-simulator",)


class Containers:
    """A running compose project."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.command = ["docker", "compose", "-p", f"atoll-test-{os.getpid()}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
        self.environment = {**kept, "ATOLL_PORT": str(self.port)}

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def cli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return self.run("run", "--rm", "-T", "cli", *arguments, check=check)

    def inspect(self, service: str) -> dict[str, Any]:
        name = self.run("ps", "-a", "-q", service).stdout.split()[0]
        shown = subprocess.run(
            ["docker", "inspect", name], capture_output=True, text=True, check=True
        )
        return dict(json.loads(shown.stdout)[0])

    def shell(self, service: str, script: str) -> "subprocess.CompletedProcess[str]":
        return self.run("exec", "-T", service, "python", "-c", script, check=False)


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    engine = shutil.which("docker") and not any(
        subprocess.run(command, check=False, capture_output=True).returncode
        for command in (["docker", "info"], ["docker", "compose", "version"])
    )
    if not engine:
        pytest.skip("needs a Docker engine with Compose v2: install one, or start it")
    project = Containers()
    shown = tmp_path_factory.mktemp("compose") / "up.txt"
    try:
        with shown.open("wb") as output:
            up = subprocess.Popen(
                [*project.command, "up"],
                cwd=CHECKOUT,
                env=project.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def is_up() -> bool:
            text = shown.read_text(encoding="utf-8", errors="replace")
            assert up.poll() is None, text
            return "Press Ctrl-C to stop." in text

        wait_for(is_up, 420, lambda: shown.read_text(encoding="utf-8", errors="replace")[-4000:])
        project.shown = shown.read_text(encoding="utf-8", errors="replace")  # type: ignore[attr-defined]
        yield project
    finally:
        project.run("down", "-v", "--timeout", "15", check=False)
        up.wait(30)


def test_up_ends_with_one_banner_and_nothing_like_an_error(containers: Containers) -> None:
    lines = containers.shown.splitlines()  # type: ignore[attr-defined]
    said = [line.partition("|")[2] for line in lines if "|" in line and "banner" in line]
    assert any(f"Open            {containers.url}" in line for line in said)
    assert all("|" not in line or "banner" in line for line in lines if not line.startswith("#"))
    for word in ("error", "traceback", "warning", "failed"):
        assert not [line for line in said if word in line.lower()]


def test_journey_runs_in_containers_once_for_one_application(containers: Containers) -> None:
    application = uuid.uuid4().hex
    address = f"{containers.url}/registers/fishing-vessel/proofs/register"
    before = requests.get(address, timeout=5).json()["total-entries"]
    for _ in range(2):
        told = containers.cli("demo", "--application", application)
        assert "checked the proof itself" in told.stdout
    assert requests.get(address, timeout=5).json()["total-entries"] == before + 1


def test_credentials_name_the_published_address(containers: Containers) -> None:
    shown = json.loads(containers.cli("credentials", "--json").stdout)
    assert shown["gateway"] == containers.url
    assert (
        requests.get(f"{shown['issuer']}/.well-known/openid-configuration", timeout=5).json()[
            "issuer"
        ]
        == shown["issuer"]
    )


def test_reset_in_containers_takes_under_five_seconds_at_the_gateway(
    containers: Containers,
) -> None:
    done = containers.cli("reset", "--yes")
    assert "Back to the start state" in done.stdout
    assert containers.cli("demo").returncode == 0


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_hardened(containers: Containers, service: str) -> None:
    shown = containers.inspect(service)
    host = shown["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    if service != "postgres":
        assert shown["Config"]["User"] == "10001:10001"
        assert host["CapAdd"] is None
    if service != "gateway":
        assert not host["PortBindings"]
    else:
        assert [each["HostIp"] for each in host["PortBindings"]["8000/tcp"]] == ["127.0.0.1"]


def test_image_of_a_service_holds_only_the_kit_and_itself(containers: Containers) -> None:
    listing = "import os; print(sorted(os.listdir('.')), sorted(os.listdir('services')))"
    shown = containers.shell("identity", listing).stdout
    assert "'servicekit'" in shown
    assert "'identity'" in shown
    for other in ("gateway", "registers", "notify", "portal", "atoll"):
        assert f"'{other}'" not in shown


def test_services_cannot_reach_each_other_but_only_the_gateway(containers: Containers) -> None:
    def addresses(service: str) -> list[str]:
        networks = containers.inspect(service)["NetworkSettings"]["Networks"].values()
        return [each["IPAddress"] for each in networks]

    script = (
        "import socket\n"
        "for host in {}:\n"
        "    try:\n"
        "        socket.create_connection((host, 8000), 1).close(); print('reached')\n"
        "    except OSError: print('not reached')\n"
    )
    others = [ip for name in ("identity", "registers", "notify") for ip in addresses(name)]
    shown = containers.shell("portal", script.format(others))
    assert shown.stdout.splitlines() == ["not reached"] * len(others), shown.stderr
    assert containers.shell("portal", script.format(["gateway"])).stdout == "reached\n"


def test_role_of_one_service_cannot_open_the_database_of_another(containers: Containers) -> None:
    script = (
        "import psycopg, pathlib\n"
        "url = pathlib.Path('/secrets/database-url').read_text().replace('+psycopg', '')\n"
        "psycopg.connect(url).close(); print('own opened')\n"
        "for name in ('identity', 'notify', 'postgres'):\n"
        "    try: psycopg.connect(url.rpartition('/')[0] + '/' + name); print(name, 'OPENED')\n"
        "    except psycopg.OperationalError: print(name, 'refused')\n"
    )
    shown = containers.shell("registers", script)
    assert shown.stdout.splitlines() == [
        "own opened",
        "identity refused",
        "notify refused",
        "postgres refused",
    ], shown.stderr


@pytest.mark.parametrize("service", ["registers", "notify-worker"])
def test_killed_container_is_started_again_and_the_journey_completes(
    containers: Containers, service: str
) -> None:
    application = uuid.uuid4().hex
    pid = containers.inspect(service)["State"]["Pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    told = containers.cli("demo", "--application", application, check=False)
    if told.returncode:
        time.sleep(3)
        told = containers.cli("demo", "--application", application)
    wait_for(lambda: containers.inspect(service)["State"]["Running"], 30)
    assert containers.inspect(service)["RestartCount"] >= 1


def test_stop_is_graceful(containers: Containers) -> None:
    containers.run("stop", "portal")
    assert containers.inspect("portal")["State"]["ExitCode"] in (0, 143)
    containers.run("start", "portal")
    wait_for(lambda: requests.get(f"{containers.url}/readyz", timeout=5).status_code == 200, 30)


def test_three_registers_share_the_calls_and_one_may_die(containers: Containers) -> None:
    address = f"{containers.url}/registers/island/records/K-Thulusdhoo"

    def ready() -> int:
        shown = requests.get(f"{containers.url}/readyz", timeout=5).json()["components"]
        return [one["state"] for one in shown["registers"]["instances"]].count("ready")

    def answered(name: str) -> int:
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
        return logs.stdout.count('"message":"answered"')

    containers.run("up", "-d", "--no-recreate", "--no-build", "--scale", "registers=3", "registers")
    try:
        wait_for(lambda: ready() == 3, 90)
        names = containers.run("ps", "-q", "registers").stdout.split()
        assert len(names) == 3
        before = [answered(name) for name in names]
        for _ in range(60):
            assert requests.get(address, timeout=5).status_code == 200
        wait_for(
            lambda: all(
                answered(name) - count >= 10 for name, count in zip(names, before, strict=True)
            ),
            10,
        )
        subprocess.run(["docker", "stop", "-t", "0", names[0]], check=True, capture_output=True)
        for _ in range(60):  # the gateway finds out by itself; no reader does
            assert requests.get(address, timeout=5).status_code == 200
    finally:
        containers.run(
            "up", "-d", "--no-recreate", "--no-build", "--scale", "registers=1", "registers"
        )
        wait_for(lambda: requests.get(f"{containers.url}/readyz", timeout=5).status_code == 200, 60)
