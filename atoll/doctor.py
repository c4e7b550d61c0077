"""``atoll doctor``: names what is wrong with this machine, and what to do about it."""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable

from atoll import processes, setup
from atoll.exits import DONE, FAILED, Stop
from atoll.home import CHECKOUT, LEAST_FREE_BYTES, Home, said_plainly
from atoll.terminal import paint, say

OLDEST, NEWEST = (3, 11), (3, 13)
# one module of each package of requirements/runtime.txt that a start needs
MODULES = (
    "a2wsgi",
    "alembic",
    "argon2",
    "authlib",
    "cryptography",
    "flask",
    "govuk_frontend_jinja",
    "granian",
    "httptools",
    "jwt",
    "orjson",
    "psycopg",
    "requests",
    "sqlalchemy",
    "yaml",
)


def check(place: Home, port: int) -> int:
    """Look at everything once, print a line for each, and return FAILED when something is wrong."""
    running = place.holder() is not None
    looks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("home folder", lambda: _home(place)),
        ("disk", lambda: _disk(place)),
        ("processes", lambda: _processes(place)),
        (f"port {port}", lambda: "held by this platform" if running else _port(port)),
        ("secrets", lambda: _secrets(place)),
    )
    wrong = 0
    for name, look in looks:
        try:
            say(f"  {paint('well ', 'green')}  {name:<12} {look()}")
        except Stop as stop:
            wrong += 1
            say(f"  {paint('wrong', 'coral')}  {name:<12} {stop.message}")
    say()
    say("Nothing is wrong." if not wrong else f"{wrong} thing{'s' * (wrong > 1)} to put right.")
    return FAILED if wrong else DONE


def port_is_taken(port: int) -> str:
    """Say who holds a port and what to do."""
    who = processes.who_listens(port)
    return (
        f"Port {port} is taken{f' by {who}' if who else ' by another program'}. "
        f"Stop that program, or choose another port: --port {port + 1}"
    )


def missing_packages() -> list[str]:
    """Return the packages that cannot be found, without importing them."""
    return [name for name in MODULES if importlib.util.find_spec(name) is None]


def packages_are_missing(names: list[str]) -> str:
    """Say which packages are missing and how to install them."""
    return (
        f"These packages are missing: {', '.join(names)}. Install them with: {sys.executable} "
        f"-m pip install --require-hashes -r {CHECKOUT / 'requirements' / 'runtime.txt'}"
    )


def _python() -> str:
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        raise Stop(
            f"This is Python {sys.version.split()[0]}; Atoll needs 3.11, 3.12 or 3.13. "
            "Name another: make up PYTHON=python3.13"
        )
    return sys.version.split()[0]


def _packages() -> str:
    if missing := missing_packages():
        raise Stop(packages_are_missing(missing))
    return "all found"


def _home(place: Home) -> str:
    nearest = place.folder
    while not nearest.exists():
        nearest = nearest.parent
    with said_plainly(place.folder):
        if not nearest.is_dir():
            raise NotADirectoryError(20, "not a folder")
        # access() is told of read-only mounts too, which the mode bits do not show
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(13, "not writable")
    return str(place.folder)


def _disk(place: Home) -> str:
    nearest = place.folder
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free
    if free < LEAST_FREE_BYTES:
        raise Stop(
            f"{free // 2**20} MB are free; at least {LEAST_FREE_BYTES // 2**20} MB are needed. "
            "Free some space."
        )
    return f"{free / 2**30:.1f} GB free"


def _processes(place: Home) -> str:
    holder = place.holder()
    state = place.state() or {}
    alive = [
        f"{each['name']} ({each['pid']})"
        for each in state.get("services", [])
        if each.get("pid") and processes.lives(int(each["pid"]), each.get("born"))
    ]
    if holder is not None:
        return f"Atoll runs here, process {holder}"
    if alive:
        raise Stop(
            f"An earlier run was killed and left processes: {', '.join(alive)}. "
            "Stop them with: atoll down"
        )
    if state:
        return "an earlier run was killed; its state file is stale and the next start replaces it"
    return "none is running"


def _port(port: int) -> str:
    if not processes.is_free(port):
        raise Stop(port_is_taken(port))
    return "free"


def _secrets(place: Home) -> str:
    if not place.secrets.exists() or not any(place.secrets.iterdir()):
        return "not made yet; `atoll up` makes them"
    if not setup.is_done(place):
        raise Stop(f"{place.secrets} is incomplete. `atoll up` makes the missing ones.")
    for file in place.secrets.rglob("*"):
        if file.is_file() and file.stat().st_mode & 0o077:
            raise Stop(f"Others can read {file}. Put it right with: chmod 600 {file}")
    try:
        json.loads((place.secrets / "operator" / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Stop(f"{place.secrets / 'operator' / 'credentials.json'} cannot be read.") from None
    return "made, owner-only"
