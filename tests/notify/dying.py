"""Processes that stop at a chosen point, so that a test can kill them exactly there."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from flask import Response, request
from werkzeug.serving import make_server

from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.settings import load
from services.notify.app import create_app
from services.notify.providers import Message, Outcome, Providers
from services.notify.providers.choice import make_providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.providers.texts import HttpTexts
from services.notify.settings import Settings
from services.notify.storage import jobs, settling
from services.notify.worker import Worker


class Stop:
    """Marks that the point was reached, and waits there to be killed."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def here(self) -> NoReturn:
        self.marker.touch()
        time.sleep(60)
        raise AssertionError("the test should have killed this process")


class Stuck(Inbox):
    """An inbox that stops for ever before or after it took a message."""

    def __init__(self, database: Database, point: str, stop: Stop) -> None:
        super().__init__(database, SystemClock())
        self.point, self.stop = point, stop

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        if self.point == "after":
            super().deliver_all(messages)
        self.stop.here()


def worker(point: str, marker: str) -> None:
    """Work, and stop at the first message: ``before`` or ``after`` the inbox took it."""
    settings = load(Settings, "NOTIFY")
    database = Database(settings.database_url)
    providers = Providers(Stuck(database, point, Stop(Path(marker))), Simulation(), None)
    Worker(settings, database, providers).run(threading.Event())


def texting(point: str, marker: str) -> None:
    """Work with the simulated companies, and stop at one of four points."""
    settings, stop = load(Settings, "NOTIFY"), Stop(Path(marker))
    database = Database(settings.database_url)
    real = {"claim": jobs.claim, "call": HttpTexts.deliver_all, "settle": settling.settle_all}

    def claim(*given: Any, **more: Any) -> Any:
        found = real["claim"](*given, **more)
        given[0].commit()  # the lease is taken, nothing else is written
        return stop.here() if found else found

    def deliver_all(self: HttpTexts, messages: Sequence[Message]) -> list[Outcome]:
        if point == "after-call":
            real["call"](self, messages)
        return stop.here()

    def settle_all(*given: Any) -> Any:
        real["settle"](*given)  # not committed yet
        return stop.here()

    if point == "after-claim":
        jobs.claim = claim
    elif point == "before-settling":
        settling.settle_all = settle_all
    else:
        HttpTexts.deliver_all = deliver_all  # type: ignore[method-assign]
    providers = make_providers(settings, database, SystemClock())
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
    {"worker": worker, "texting": texting, "api": api}[sys.argv[1]](*sys.argv[2:])
