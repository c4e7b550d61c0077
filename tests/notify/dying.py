"""Processes that stop at a chosen point, so that a test can kill them exactly there."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from flask import Response, request
from werkzeug.serving import make_server

from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.settings import load
from services.notify.app import create_app
from services.notify.providers import Message, Outcome, Providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.settings import Settings
from services.notify.worker import Worker


class Stuck(Inbox):
    """An inbox that stops for ever before or after it took a message."""

    def __init__(self, database: Database, point: str, marker: Path) -> None:
        super().__init__(database, SystemClock())
        self.point, self.marker = point, marker

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        if self.point == "after":
            super().deliver_all(messages)
        self.marker.touch()
        time.sleep(60)
        raise AssertionError("the test should have killed this process")


def worker(point: str, marker: str) -> None:
    """Work, and stop at the first message: ``before`` or ``after`` the inbox took it."""
    settings = load(Settings, "NOTIFY")
    database = Database(settings.database_url)
    providers = Providers(Stuck(database, point, Path(marker)), Simulation(), None)
    Worker(settings, database, providers).run(threading.Event())


def api(port: str) -> None:
    """Serve; a call with the header ``Die`` is carried out and answered by death."""
    app = create_app(load(Settings, "NOTIFY"))

    @app.after_request
    def die(response: Response) -> Response:
        if request.headers.get("Die"):
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    make_server("127.0.0.1", int(port), app, threaded=True).serve_forever()


if __name__ == "__main__":
    {"worker": worker, "api": api}[sys.argv[1]](*sys.argv[2:])
