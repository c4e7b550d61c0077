"""The commands that look at a running platform or act on it through the gateway."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from atoll import door, start_state
from atoll.components import COMPONENTS, GATEWAY, SERVICES, SIMULATOR
from atoll.exits import DONE, FAILED, MISUSED, NOT_RUNNING, Stop
from atoll.home import CHECKOUT, Home
from atoll.terminal import complain, paint, say

DEFAULT_ADDRESS = "http://localhost:8000"

JOURNEYS = {
    "licence": "vessel_licence.py",
    "birth": "birth_registration.py",
    "ferry": "ferry_booking.py",
}


def address_of(place: Home) -> str | None:
    """Return where the platform of this home answers, or None when it does not run.

    In a container ATOLL_GATEWAY_URL names the gateway, and no home tells of processes.
    """
    if place.holder() is not None and (state := place.state()):
        return str(state["gateway"])
    return os.environ.get("ATOLL_GATEWAY_URL")


def running_address(place: Home) -> str:
    """Return where the platform answers; raise Stop when it does not run."""
    address = address_of(place)
    if address is None:
        raise Stop(
            f"Atoll is not running in {place.folder}. Start it with `atoll up`.", NOT_RUNNING
        )
    return address


def status(place: Home, *, as_json: bool) -> int:
    """Show each process: the supervisor's word, corrected by what it and the gateway answer."""
    state = place.state() if place.holder() is not None else _seen_from_a_container()
    if state is None:
        if as_json:
            say(json.dumps({"gateway": None, "services": []}))
        else:
            say(f"Atoll is not running in {place.folder}. Start it with `atoll up`.")
        return NOT_RUNNING
    seen = door.readiness(str(state["gateway"]))
    services = [_service(each, seen) for each in state["services"]]
    if as_json:
        say(json.dumps({"gateway": state["gateway"], "services": services}, indent=2))
        return DONE
    say(f"{paint('Atoll', 'bold')} at {state['gateway']}")
    say(f"  {'name':<14} {'state':<11} {'pid':>7} {'port':>6} {'restarts':>9}  started (UTC)")
    for each in services:
        say(
            f"  {each['name']:<14} {each['state']:<11} {each['pid'] or '-':>7} "
            f"{each['port'] or '-':>6} {each['restarts']:>9}  {each['started_at'][:19]}"
        )
    return DONE


def _seen_from_a_container() -> dict[str, Any] | None:
    """Return what the gateway tells of the services where no supervisor runs, or None."""
    gateway = os.environ.get("ATOLL_GATEWAY_URL")
    seen = door.readiness(gateway) if gateway else {}
    unknown = {"pid": None, "port": None, "restarts": 0, "started_at": ""}
    services = [{"name": name, "state": state, **unknown} for name, state in seen.items()]
    return {"gateway": gateway, "services": services} if services else None


def _service(each: dict[str, Any], seen: dict[str, str]) -> dict[str, Any]:
    shown = {
        name: each[name] for name in ("name", "pid", "port", "state", "restarts", "started_at")
    }
    if each["state"] == "running" and each["port"] is None:
        shown["state"] = "ready"
    elif each["state"] == "running":
        # the door asks services alone; what carries texts for the demonstration is none
        known = seen.get(each["name"], "ready" if each["name"] == SIMULATOR.name else "down")
        shown["state"] = known if door.answers(each["port"]) else "down"
    return shown


def credentials(place: Home) -> dict[str, Any]:
    """Return what a program needs to use this start state; raise Stop when it cannot be read."""
    file = place.secrets / "operator" / "credentials.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Stop(
            "There are no credentials yet: the platform was never started in "
            f"{place.folder}. Start it with `atoll up`.",
            NOT_RUNNING,
        ) from None
    except (OSError, ValueError) as error:
        raise Stop(f"{file} cannot be read: {error}") from None
    public = os.environ.get("ATOLL_PUBLIC_URL") or address_of(place) or DEFAULT_ADDRESS
    return start_state.addressed(stored, public)


def operator_secret(place: Home) -> str:
    """Return the secret of the client that may operate the platform."""
    clients = credentials(place)["clients"]
    return next(str(c["client_secret"]) for c in clients if c["client_id"] == "operator")


def show_credentials(place: Home, *, as_json: bool) -> int:
    """Print the start state's people, clients and API keys."""
    found = credentials(place)
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return DONE
    say("Made-up people of the demonstration (sign in at " + found["gateway"] + "):")
    for person in found["people"]:
        say(f"  {person['username']:<9} {person['name']:<14} password {person['password']}")
    say("  The sign-in page shows the one-time code of each; --json prints its secret.")
    say("Programs (client credentials at " + found["issuer"] + "/token):")
    for client in found["clients"]:
        say(f"  {client['client_id']:<10} secret {client['client_secret']}")
        say(f"  {'':<10} scopes {' '.join(client['scopes'])}")
    say("Notify API keys:")
    for name, key in found["notify"]["api_keys"].items():
        say(f"  {name:<5} {key}")
    return DONE


def logs(place: Home, service: str | None, *, follow: bool) -> int:
    """Print the last lines of one log or of all, and what comes after with ``follow``."""
    names = [component.name for component in COMPONENTS]
    if service is not None and service not in (*names, "atoll"):
        raise Stop(f"There is no service {service!r}. There are: {', '.join(names)}.", MISUSED)
    chosen = [service] if service else names
    files = {name: place.log_of(name) for name in chosen if place.log_of(name).is_file()}
    if not files:
        raise Stop(f"There are no logs in {place.logs} yet. Start with `atoll up`.", NOT_RUNNING)
    places = {name: _show_end(name, file, len(files) > 1) for name, file in files.items()}
    while follow:
        time.sleep(0.3)
        for name, file in files.items():
            places[name] = _show_new(name, file, places[name], len(files) > 1)
    return DONE


def _show_end(name: str, file: Path, named: bool, lines: int = 40) -> int:
    with file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - 64_000))
        text = log.read().decode("utf-8", "replace")
    for line in text.splitlines()[-lines:]:
        say(f"{name:<14} {line}" if named else line)
    return size


def _show_new(name: str, file: Path, place: int, named: bool) -> int:
    size = file.stat().st_size
    if size < place:  # it was shortened
        place = 0
    if size > place:
        with file.open("rb") as log:
            log.seek(place)
            text = log.read(size - place)
        whole = text.rpartition(b"\n")[0]
        for line in whole.decode("utf-8", "replace").splitlines():
            say(f"{name:<14} {line}" if named else line)
        place += len(whole) + 1 if whole else 0
    return place


def reset(place: Home, *, yes: bool) -> int:
    """Put the start state back, by the gateway when the platform runs, else in the files."""
    secret = operator_secret(place)
    if not yes and sys.stdin.isatty():
        say("This puts every register, message, agreement and exchange back to the start state.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            say("Nothing was changed.")
            return FAILED
    began = time.monotonic()
    address = address_of(place)
    if address is None:
        for name in ("gateway", *SERVICES):
            for file in place.data.glob(f"{name}.db*"):
                file.unlink()
        say("The databases are gone; the next `atoll up` begins with the start state.")
        return DONE
    try:
        door.reset(address, door.operator_token(address, secret))
    except door.Unreachable as error:
        raise Stop(f"The gateway at {address} does not answer: {error}", NOT_RUNNING) from None
    say(f"Back to the start state in {time.monotonic() - began:.1f} s.")
    return DONE


def demo(place: Home, journey: str, arguments: list[str]) -> int:
    """Run a journey, or all, each as its own program with the credentials on standard input."""
    address = running_address(place)
    found = json.dumps(credentials(place))
    results: list[int] = []
    for name in JOURNEYS if journey == "all" else (journey,):
        example = CHECKOUT / "examples" / JOURNEYS[name]
        if not example.is_file():
            raise Stop(f"{example} is missing.")
        if results and "--json" not in arguments:
            say("")
        try:
            ran = subprocess.run(
                [sys.executable, str(example), *arguments],
                input=found,
                text=True,
                check=False,
                env={**os.environ, "ATOLL_CREDENTIALS": "-", "ATOLL_GATEWAY_URL": address},
            )
        except KeyboardInterrupt:
            complain("Stopped. Run it again with the same --application and nothing is done twice.")
            return 130
        results.append(ran.returncode)
    return max(results)


def show_banner(place: Home, called: str, *, stay: bool) -> int:
    """Wait until the platform is ready, then print what a newcomer needs (for containers).

    stay: remain, and tell when a component goes away or comes back, until stopped.
    """
    from atoll.terminal import Progress
    from atoll.up import banner

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    gateway, public = running_address(place), os.environ.get("ATOLL_PUBLIC_URL", DEFAULT_ADDRESS)
    progress, until = Progress(), time.monotonic() + 120
    while not door.is_ready(gateway):
        progress.at("waiting for every service to be ready")
        if time.monotonic() > until:
            raise Stop("The platform is not ready after two minutes.")
        time.sleep(0.3)
    say(f"\n{paint('Atoll is running.', 'green')}\n\n{banner(public, command=called)}\n")
    say("Press Ctrl-C to stop.")
    names = (GATEWAY.name, *SERVICES)
    before = dict.fromkeys(names, True)
    while stay:
        time.sleep(3)
        states = door.readiness(gateway)
        now = {name: states.get(name) == "ready" for name in names}
        for name in names:
            if states or name == GATEWAY.name:  # without the gateway nothing is known of others
                if now[name] != before[name]:
                    say(f"{name} is running again." if now[name] else f"{name} does not answer.")
                before[name] = now[name]
    return DONE
