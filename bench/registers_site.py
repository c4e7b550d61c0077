"""A registers service of its own for measuring: on SQLite or PostgreSQL, called over HTTP."""

import http.client
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench import load
from bench.measure import free_port
from services.registers.domain import canonical, declarations, rsf
from services.registers.domain.items import Field
from tests.support import postgres
from tests.support.issuer import FakeIssuer

CHECKOUT = Path(__file__).resolve().parent.parent
KEY = "k" * 64
FIELDS = ("name", "address", "town", "start-date")
BEGAN = 1_500_000_000


@dataclass(frozen=True)
class Site:
    """A running service: where it is, what it stores in, and the token of its custodian."""

    url: str
    headers: Mapping[str, str]
    disk: Path

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that stays open."""
        return http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=3600)


@contextmanager
def site(engine: str, folder: Path, registers: list[str], core: int | None) -> Iterator[Site]:
    """Start the service on an empty database; engine: sqlite or postgresql."""
    with ExitStack() as stack:
        if engine == "sqlite":
            disk = folder / "sqlite"
            disk.mkdir()
            url = f"sqlite:///{disk / 'registers.db'}"
        else:
            server = stack.enter_context(postgres.cluster(durable=True))
            disk = Path(server.split()[0].removeprefix("host=")) / "data"
            url = stack.enter_context(postgres.empty_database(server))
        issuer = FakeIssuer()
        identity = stack.enter_context(_identity(issuer))
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        stack.enter_context(
            load.serving(
                [
                    *(sys.executable, "-m", "servicekit.serve", "services.registers"),
                    *("--port", str(port)),
                ],
                f"{address}/readyz",
                environment={
                    **os.environ,
                    "REGISTERS_DATABASE_URL": url,
                    "REGISTERS_GATEWAY_KEY": KEY,
                    "REGISTERS_LOG_KEY": "A" * 43 + "=",
                    "ATOLL_GATEWAY_URL": identity,
                },
                folder=CHECKOUT,
                core=core,
                headers={"Atoll-Gateway-Key": KEY},
            )
        )
        roles = [f"registers:custodian:{name}" for name in registers]
        token = issuer.headers("registers", "registers.append platform.operate", roles=roles)
        yield Site(address, {"Atoll-Gateway-Key": KEY, **token}, disk)


@contextmanager
def _identity(issuer: FakeIssuer) -> Iterator[str]:
    """Publish the keys that sign the tokens, in identity's place."""
    keys = json.dumps(issuer.jwks()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(keys)))
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def item(register: str, number: int) -> dict[str, str]:
    """Return one made-up item of about 120 bytes."""
    return {
        register: f"P-{number}",
        "name": f"House {number}",
        "address": f"{number % 300} Boduthakurufaanu Magu",
        "town": f"Town {number % 97}",
        "start-date": f"20{number % 20:02d}-0{number % 9 + 1}-1{number % 10}",
    }


def write_rsf(path: Path, register: str, entries: int) -> None:
    """Write a register's file: its declaration and its entries, each after its item."""
    fields = [Field(register, "string"), *(Field(name, "string") for name in FIELDS[:-1])]
    fields.append(Field(FIELDS[-1], "datetime"))
    about = {
        "name": register,
        "title": {"en": "Addresses"},
        "description": {"en": "Made-up addresses to measure with"},
        "custodian": "Nobody",
        "phase": "beta",
        "licence": "None",
    }
    with path.open("w", encoding="utf-8") as file:
        for key, said in declarations.write(about, fields):
            content = canonical.item_json(said)
            file.write(rsf.add_item(content))
            file.write(rsf.append_entry("system", key, BEGAN, canonical.item_hash(content)))
        for number in range(entries):
            content = canonical.item_json(item(register, number))
            file.write(rsf.add_item(content))
            at = BEGAN + number // 10
            file.write(rsf.append_entry("user", f"P-{number}", at, canonical.item_hash(content)))


def post(site: Site, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Send one request on a connection of its own; ``body`` may be a file."""
    connection = site.connect()
    try:
        connection.request("POST", path, body, {**site.headers, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def append(
    site: Site, connection: http.client.HTTPConnection, register: str, items: list[dict[str, str]]
) -> None:
    """Append items on an open connection, one by itself or several as a batch."""
    body = {"item": items[0]} if len(items) == 1 else {"items": items}
    headers = {
        **site.headers,
        "Content-Type": "application/json",
        "Idempotency-Key": secrets.token_hex(16),
    }
    connection.request("POST", f"/registers/{register}/entries", json.dumps(body).encode(), headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 201:
        raise RuntimeError(f"an append was answered {answer.status}: {said[:300]!r}")
