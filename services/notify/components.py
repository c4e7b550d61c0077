"""What the views of notify work with: settings, database, vault and clock."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app, g
from sqlalchemy.orm import Session

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify.limiter import Limiter
from services.notify.settings import Settings
from services.notify.vault import Vault


@dataclass(frozen=True)
class Components:
    """The collaborators of one application."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    limiter: Limiter

    def install(self, app: Flask) -> None:
        """Make them reachable from the application's views."""
        app.extensions["notify"] = self
        app.teardown_request(lambda _: end_reading())


@contextmanager
def reading() -> Iterator[Session]:
    """Yield the one snapshot in which a message is checked; it lasts until ``end_reading``.

    What is read before a message is stored is read in one session: several would cost more than
    the reading. Nothing may be written meanwhile: who holds one connection and waits for another
    can wait for ever.
    """
    if "notify_reading" not in g:
        opened = ExitStack()
        g.notify_session = opened.enter_context(components().database.snapshot())
        g.notify_reading = opened
    yield g.notify_session


def end_reading() -> None:
    """Let go of the call's snapshot: whatever is read afterwards is newer."""
    if opened := g.pop("notify_reading", None):
        g.pop("notify_session", None)
        opened.close()


def components() -> Components:
    """Return the collaborators of the present application."""
    return cast(Components, current_app.extensions["notify"])
