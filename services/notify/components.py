"""What the views of notify work with: settings, database, vault and clock."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

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


def components() -> Components:
    """Return the collaborators of the present application."""
    return cast(Components, current_app.extensions["notify"])
