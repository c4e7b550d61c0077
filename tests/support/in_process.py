"""The whole platform in this process: real servers on loopback, one thread for each."""

import importlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import uvicorn
from werkzeug.serving import make_server

from atoll import home, setup, start_state
from atoll.components import SERVICES
from servicekit import migrate
from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.settings import load
from tests.support.platform import free_port, wait_for


@dataclass
class InProcess:
    """A platform in this process; ``url`` is its gateway, ``upstreams`` what stands behind it."""

    url: str
    credentials: dict[str, Any]
    databases: dict[str, Database]
    upstreams: dict[str, str]

    def token(self, client_id: str, service: str, scope: str) -> str:
        """Return a client's own token for a service."""
        clients = {one["client_id"]: one for one in self.credentials["clients"]}
        answer = requests.post(
            f"{self.url}/identity/token",
            auth=(client_id, clients[client_id]["client_secret"]),
            data={
                "grant_type": "client_credentials",
                "scope": scope,
                "resource": f"urn:atoll:{service}",
            },
            timeout=5,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@contextmanager
def platform(folder: Path) -> Iterator[InProcess]:
    """Start every service, the worker and the gateway; stop them at the end."""
    place = home.Home(folder)
    place.prepare()
    setup.run(place)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.callback(_keep_logging())
        databases: dict[str, Database] = {}
        upstreams = {}
        for name in SERVICES:
            settings = _settings(f"services.{name}", folder, url)
            databases[name] = database = _database(f"services.{name}", settings, stack)
            app = importlib.import_module(f"services.{name}.app").create_app(
                settings, database=database
            )
            server = make_server("127.0.0.1", 0, app, threaded=True)
            stack.callback(server.server_close)
            _run(stack, server.serve_forever, server.shutdown)
            upstreams[name] = f"http://127.0.0.1:{server.server_port}"
        _start_worker(stack, databases["notify"], folder, url)
        databases["gateway"] = _start_gateway(stack, folder, port, upstreams)
        wait_for(lambda: _is_ready(url), 20)
        credentials = json.loads((place.secrets / "operator" / "credentials.json").read_text())
        yield InProcess(url, start_state.addressed(credentials, url), databases, upstreams)


def _settings(package: str, folder: Path, url: str, **more: str) -> Any:
    name = package.rpartition(".")[2]
    module = importlib.import_module(f"{package}.settings")
    environ = {
        "ATOLL_PUBLIC_URL": url,
        "ATOLL_GATEWAY_URL": url,
        "ATOLL_SECRETS": str(folder / "secrets" / name),
    }
    return load(module.Settings, name.upper(), environ | more)


def _database(package: str, settings: Any, stack: ExitStack) -> Database:
    database = Database(settings.database_url)
    stack.callback(database.dispose)
    migrate.upgrade(package, database)
    migrate.load_start_state(package, settings, database)
    return database


def _start_worker(stack: ExitStack, database: Database, folder: Path, url: str) -> None:
    module = importlib.import_module("services.notify.worker")
    settings = _settings("services.notify", folder, url)
    clock, stop = SystemClock(), threading.Event()
    worker = module.Worker(
        settings, database, module.make_providers(settings, database, clock), clock=clock
    )
    _run(stack, lambda: worker.run(stop), stop.set)


def _start_gateway(
    stack: ExitStack, folder: Path, port: int, upstreams: dict[str, str]
) -> Database:
    url = f"http://127.0.0.1:{port}"
    settings = _settings(
        "gateway",
        folder,
        url,
        GATEWAY_UPSTREAMS=",".join(f"{name}={at}" for name, at in upstreams.items()),
        GATEWAY_IPV6_LOOPBACK="no",
    )
    database = _database("gateway", settings, stack)
    plane = importlib.import_module("gateway.app").create_app(settings, database=database)
    config = uvicorn.Config(plane, host="127.0.0.1", port=port, loop="asyncio", log_config=None)
    server = uvicorn.Server(config)  # Granian's own server needs a process of its own
    _run(stack, server.run, lambda: setattr(server, "should_exit", True))
    return database


def _run(stack: ExitStack, target: Any, stop: Any) -> None:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()

    def end() -> None:
        stop()
        thread.join(15)

    stack.callback(end)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _keep_logging() -> Any:
    """Services configure logging for their own process; put the test run's back afterwards."""
    top = logging.getLogger()
    handlers, level = top.handlers[:], top.level

    def restore() -> None:
        top.handlers[:], top.level = handlers, level

    return restore
