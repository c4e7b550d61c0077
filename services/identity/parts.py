"""What the routes work with, put together once by the application factory."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from flask import current_app

from servicekit.clock import Clock
from servicekit.database import Database
from services.identity.passwords import Passwords
from services.identity.protocol.keys import SigningKey
from services.identity.settings import Settings
from services.identity.vault import Vault


@dataclass(frozen=True)
class Parts:
    """The collaborators of identity's routes."""

    settings: Settings
    database: Database
    clock: Clock
    key: SigningKey
    vault: Vault
    passwords: Passwords

    @property
    def session_idle(self) -> timedelta:
        """How long a sign-in lasts without a page view."""
        return timedelta(seconds=self.settings.session_idle_s)


def parts() -> Parts:
    """Return the collaborators of the application that serves this request."""
    return cast(Parts, current_app.extensions["identity"])
