"""What the routes work with, put together once by the application factory."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from flask import current_app

from servicekit.clock import Clock
from servicekit.database import Database
from services.identity.passwords import Passwords
from services.identity.protocol.client_keys import ClientKeys, fetcher
from services.identity.protocol.keys import KeyRing
from services.identity.protocol.profile import Profile
from services.identity.registry import Registry
from services.identity.settings import Settings
from services.identity.teaching import Teaching
from services.identity.vault import Vault


@dataclass(frozen=True)
class Parts:
    """The collaborators of identity's routes."""

    settings: Settings
    database: Database
    clock: Clock
    keys: KeyRing
    vault: Vault
    passwords: Passwords
    clients: Registry
    client_keys: ClientKeys
    profile: Profile
    teaching: Teaching

    @property
    def session_idle(self) -> timedelta:
        """How long a sign-in lasts without a page view."""
        return timedelta(seconds=self.settings.session_idle_s)


def assemble(
    settings: Settings, database: Database, clock: Clock, profile: Profile | None = None
) -> Parts:
    """Make the collaborators; profile: what goes beyond plain OAuth, nothing when left out."""
    vault = Vault(settings.data_key_bytes)
    return Parts(
        settings,
        database,
        clock,
        KeyRing(settings, database, vault, clock),
        vault,
        Passwords(),
        Registry(database, settings.client_cache_s),
        ClientKeys(fetcher(settings.callback_test_hosts)),
        profile or Profile(),
        Teaching(settings, database),
    )


def parts() -> Parts:
    """Return the collaborators of the application that serves this request."""
    return cast(Parts, current_app.extensions["identity"])
