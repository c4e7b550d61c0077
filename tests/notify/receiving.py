"""A service that wants to be told, and the program of its own that is."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from servicekit.database import Database
from services.notify.app import create_app
from services.notify.errands import Errands
from services.notify.providers import Outcome, Providers
from services.notify.providers.local import Simulation
from services.notify.worker import Worker
from tests.conftest import GATEWAY_KEY
from tests.notify.conftest import Api, settings
from tests.notify.test_delivery import Carrier
from tests.support.clock import FakeClock

RUNNING = threading.Event()
KEY = "r" * 40
TOKEN = "a-bearer-token"


@dataclass
class Receiver:
    """A service's own program; ``answer`` is the status that it gives."""

    url: str = ""
    answer: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve a receiver on a free port of this machine."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/told"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


class Telling:
    """A service that wants to be told, on a fake clock."""

    def __init__(self, store: Database, clock: FakeClock, receiver: Receiver) -> None:
        self.store, self.clock, self.receiver = store, clock, receiver
        self.made = settings(store, test_hosts="127.0.0.1", receipt_key=KEY)
        app = create_app(self.made, database=store, clock=clock)
        self.api = Api(app.test_client(), clock)
        self.errands = Errands(self.made, store, clock=clock, jitter=lambda: 1.0)

    def want(self, kind: str = "delivery", url: str | None = None) -> Any:
        body = {"url": url or self.receiver.url, "bearer_token": TOKEN}
        return self.api.call("PUT", f"/v2/callbacks/endpoints/{kind}", body)

    def deliver(self, *outcomes: Outcome) -> None:
        providers = Providers(Carrier(*outcomes), Simulation(), None)
        worker = Worker(self.made, self.store, providers, clock=self.clock, jitter=lambda: 1.0)
        while worker.work(RUNNING):
            pass

    def run(self) -> None:
        while self.errands.work():
            pass

    def listed(self, state: str | None = None) -> list[Any]:
        query = f"?state={state}" if state else ""
        found: list[Any] = self.api.call("GET", f"/v2/callbacks{query}").json["callbacks"]
        return found

    def report(self, path: str, body: Any) -> Any:
        return self.api.client.post(
            f"/notify/{path}",
            json=body,
            headers={"Atoll-Gateway-Key": GATEWAY_KEY, "Authorization": f"Bearer {KEY}"},
        )
