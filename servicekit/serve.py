"""Starts one service: checks its settings, migrates its database, then serves it with Granian."""

import argparse
import importlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from typing import Any

from servicekit import log, processes
from servicekit.settings import SettingsError, load

PACKAGE_VARIABLE = "ATOLL_PACKAGE"
HEAD_WITHIN_MS = 15_000  # a request's head must have come, and an idle connection be used again
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS, RESERVE = 10_000, 512  # files that are not a caller's connection
EXIT_SETTINGS = 78  # EX_CONFIG: starting again would not help


def application() -> Any:
    """Create the service named by the environment; Granian calls this in each worker."""
    processes.end_with_parent(signal.SIGTERM)
    from servicekit import handover  # in a worker, where the server is loaded already

    handover.announce()
    return importlib.import_module(f"{os.environ[PACKAGE_VARIABLE]}.app").create_app()


def check_settings(package: str) -> str:
    """Load a package's settings and return its database address, or exit with all faults."""
    name = package.rpartition(".")[2]
    try:
        settings = load(importlib.import_module(f"{package}.settings").Settings, name.upper())
    except SettingsError as error:
        print(f"{name} cannot start:\n{error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_SETTINGS)
    return str(settings.database_url)


def migrate(package: str, database_url: str) -> None:
    """Bring the database up to date in a process that ends: its libraries then cost no memory."""
    from servicekit.pending import is_current  # not beside Alembic, which would cost 27 MB

    if is_current(package, database_url):
        return
    done = subprocess.run([sys.executable, "-m", "servicekit.migrate", package], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main(arguments: list[str] | None = None) -> None:
    """Run ``python -m servicekit.serve PACKAGE --port N``."""
    parser = argparse.ArgumentParser(prog="servicekit.serve", description=__doc__)
    parser.add_argument("package", help="services.<name> or gateway")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--interface", choices=("wsgi", "asgi"), default="wsgi")
    options = parser.parse_args(arguments)
    if os.environ.get("ATOLL_SUPERVISED"):
        processes.end_with_parent(signal.SIGTERM)
    migrate(options.package, check_settings(options.package))
    os.environ[PACKAGE_VARIABLE] = options.package

    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from servicekit import handover

    run = tempfile.TemporaryDirectory(prefix=f"atoll-{options.port}-")  # shared by the workers
    os.environ |= {handover.FOLDER_VARIABLE: run.name, handover.PORT_VARIABLE: str(options.port)}
    faces_callers = options.interface == "asgi"
    handover.Server(
        "servicekit.serve:application",
        factory=True,
        address=options.host,
        port=options.port,
        interface=Interfaces(options.interface),
        workers=options.workers,
        blocking_threads=8 if options.interface == "wsgi" else 1,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_WITHIN_MS if faces_callers else 30_000,
            max_buffer_size=MAX_HEAD_BYTES,
        ),
        # it counts connections, and those that wait must not keep others out
        backpressure=_connections() if faces_callers else None,
        workers_kill_timeout=10,
        # at "warning" it calls our thread count high at each start
        log_level=LogLevels.error,
        log_dictconfig=log.server_configuration(options.package.rpartition(".")[2]),
    ).serve()
    run.cleanup()


def _connections() -> int:
    """Return how many connections a worker may hold: the files it may open, less a reserve."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVE
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(256, most - RESERVE)


if __name__ == "__main__":
    main()
