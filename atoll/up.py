"""``atoll up`` and ``atoll down``: from an empty folder to a running platform, and back."""

import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

from atoll import doctor, door, processes, setup, supervisor
from atoll.components import (
    COMPONENTS,
    GATEWAY,
    SERVICES,
    SIMULATOR,
    SIMULATOR_MODULE,
    WORKER,
    WORKER_MODULE,
)
from atoll.exits import FAILED, IN_THE_WAY, NOT_RUNNING, Stop
from atoll.home import CHECKOUT, Home
from atoll.supervisor import Plan, Supervisor
from atoll.terminal import Progress, paint, say
from servicekit.settings import LOOPBACK_HOSTS


def up(place: Home, port: int, workers: int, *, detach: bool) -> int:
    """Start the platform and stay with it until Ctrl-C (or return when ``detach``)."""
    if detach:
        return _detached(place, port, workers)
    place.prepare()
    with place.locked():
        supervisor.stop_leftovers(place)
        if not processes.is_free(port):
            raise Stop(doctor.port_is_taken(port), IN_THE_WAY)
        if missing := doctor.missing_packages():
            raise Stop(doctor.packages_are_missing(missing))
        say("Starting Atoll, a government platform to run, read and teach from.")
        if not setup.is_done(place):
            say("  making keys, passwords and the start state (once)")
            _setup_apart(place)
        address = f"http://localhost:{port}"
        plans = make_plans(place, port, workers)
        began = time.monotonic()
        watcher = Supervisor(
            place,
            address,
            plans,
            lambda number: door.answers(number, timeout_s=1),
            lambda: door.is_ready(address, timeout_s=1),
        )
        return watcher.run(lambda: _banner(address, time.monotonic() - began, detached=False))


def make_plans(place: Home, port: int, workers: int) -> list[Plan]:
    """Plan every process: its command, its port, and an environment with its own secrets only."""
    names = (*SERVICES, SIMULATOR.name)
    ports = dict(zip(names, processes.free_ports(port + 11, len(names)), strict=True))
    public_url = os.environ.get("ATOLL_PUBLIC_URL") or f"http://localhost:{port}"
    shared = {
        # programs under trial listen on this machine; a public platform calls none here
        "ATOLL_TEST_HOSTS": "localhost,127.0.0.1"
        if urlsplit(public_url).hostname in LOOPBACK_HOSTS
        else "",
        **os.environ,
        "ATOLL_PUBLIC_URL": public_url,
        "ATOLL_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "ATOLL_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc's arena for each thread would cost tens of megabytes
    }
    is_demonstration = urlsplit(public_url).hostname in LOOPBACK_HOSTS
    if is_demonstration:
        shared.setdefault("NOTIFY_SIMULATOR_URL", f"http://127.0.0.1:{ports[SIMULATOR.name]}")
    plans = []
    for component in COMPONENTS:
        if component is SIMULATOR and not is_demonstration:
            continue
        environment = {**shared, "ATOLL_SECRETS": str(place.secrets / component.folder)}
        if component is WORKER:
            arguments = [sys.executable, "-m", WORKER_MODULE]
            listens = None
        elif component is SIMULATOR:
            listens = ports[component.name]
            arguments = [sys.executable, "-m", SIMULATOR_MODULE, "--port", str(listens)]
            arguments += ["--store", str(place.data / "notify-simulator.store")]
        else:
            listens = port if component is GATEWAY else ports[component.name]
            arguments = [sys.executable, "-m", "servicekit.serve", str(component.package)]
            arguments += ["--port", str(listens), "--interface", component.interface]
            if component is not GATEWAY:
                arguments += ["--workers", str(workers)]
        if component is GATEWAY:
            environment["GATEWAY_UPSTREAMS"] = ",".join(
                f"{name}=http://127.0.0.1:{ports[name]}" for name in SERVICES
            )
        if component.name == "portal":
            environment.setdefault("PORTAL_EXAMPLES", str(CHECKOUT / "examples"))
        plans.append(
            Plan(
                component.name,
                arguments,
                environment,
                place.log_of(component.name),
                listens,
                last_to_stop=component is not GATEWAY,
            )
        )
    return plans


def _setup_apart(place: Home) -> None:
    """Make the secrets in a process of their own: the key library would stay in memory here."""
    made = subprocess.run(
        [sys.executable, "-m", "atoll", "setup", "--home", str(place.folder), "--quiet"],
        check=False,
    )
    if made.returncode:
        raise Stop("The keys could not be made; the reason stands above.", made.returncode)


def _detached(place: Home, port: int, workers: int) -> int:
    place.prepare()
    if place.holder() is not None:
        with place.locked():  # says who is there
            pass
    log = place.log_of("atoll")
    command = [sys.executable, "-m", "atoll", "up", "--home", str(place.folder)]
    command += ["--port", str(port), "--workers", str(workers)]
    say("Starting Atoll in the background.")
    with log.open("wb") as output:
        log.chmod(0o600)
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=CHECKOUT,
        )
    progress, began = Progress(), time.monotonic()
    while child.poll() is None:
        state = place.state()
        if state and state.get("pid") == child.pid and state.get("ready"):
            _banner(str(state["gateway"]), time.monotonic() - began, detached=True)
            return 0
        progress.at("waiting for every service to be ready")
        time.sleep(0.1)
    words = log.read_text(encoding="utf-8", errors="replace").strip()
    raise Stop(words or "It stopped without a word.", child.returncode or FAILED)


def banner(address: str, *, command: str = "atoll") -> str:
    """Return what a newcomer needs: one address, the people, a first call.

    command: how the command line is called here.
    """
    from atoll.start_state import PEOPLE

    island = f"{address}/registers/island/records/K-Thulusdhoo"
    return "\n".join(
        (
            f"  Open            {paint(address, 'bold')}",
            "  Be someone      "
            + ", ".join(name.partition(" ")[0] for name in PEOPLE.values())
            + ": one press on the sign-in page",
            f"                  (usernames {', '.join(PEOPLE)}; passwords: {command} credentials)",
            f"  First call      curl {island}",
            f"  The journey     {command} demo",
            "",
            "  Everything here is made up, except the atolls, islands, councils and countries.",
        )
    )


def _banner(address: str, seconds: float, *, detached: bool) -> None:
    names = [component.name for component in COMPONENTS]
    say()
    say(f"{paint('Atoll is running.', 'green')}  Ready after {seconds:.1f} s: {', '.join(names)}.")
    say()
    command = ".venv/bin/atoll" if os.environ.get("VIRTUAL_ENV") is None else "atoll"
    say(banner(address, command=command))
    say()
    if detached:
        say(f"Stop it with: {command} down")
    else:
        say("Press Ctrl-C to stop.")


def down(place: Home) -> int:
    """Stop the platform that runs in this home, wherever its terminal is."""
    holder = place.holder()
    if holder is None:
        left = [
            each
            for each in (place.state() or {}).get("services", [])
            if each.get("pid") and processes.lives(int(each["pid"]), each.get("born"))
        ]
        if left:
            with place.locked():
                supervisor.stop_leftovers(place)
                place.state_file.unlink(missing_ok=True)
            return 0
        raise Stop(f"Atoll is not running in {place.folder}.", NOT_RUNNING)
    born = processes.birth(holder)
    processes.send(holder, signal.SIGTERM)
    progress, until = Progress(), time.monotonic() + 30
    while processes.lives(holder, born):
        progress.at("waiting for every service to finish what it is doing")
        if time.monotonic() > until:
            raise Stop(f"Process {holder} did not stop within 30 s.")
        time.sleep(0.05)
    say("Stopped.")
    return 0
