"""Puts identity together."""

from pathlib import Path

from flask import Flask

from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database, empty
from servicekit.pages import install_pages, show_problem
from servicekit.settings import load
from services.identity import routes, start_state
from services.identity.parts import Parts
from services.identity.passwords import Passwords
from services.identity.protocol.keys import SigningKey
from services.identity.protocol.verify import own_verifier
from services.identity.settings import Settings
from services.identity.storage import feed, metadata
from services.identity.vault import Vault


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return identity's application; reads the environment only when settings is None."""
    settings = settings or load(Settings, "IDENTITY")
    database, clock = database or Database(settings.database_url), clock or SystemClock()
    key, vault = SigningKey(settings.signing_key), Vault(settings.data_key_bytes)
    parts = Parts(settings, database, clock, key, vault, Passwords())

    def ready() -> None:
        with database.snapshot() as session:
            feed.page(session, after=0, limit=1)

    def reset() -> None:
        with database.transaction() as session:
            empty(session, metadata)
            start_state.load(session, settings)

    app = new_app(
        "identity",
        settings,
        folder=Path(__file__).parent,
        ready=ready,
        reset=reset,
        verifier=own_verifier(parts),
        show_problem=show_problem,
    )
    app.extensions["identity"] = parts
    install_pages(app, "identity")
    routes.register(app)
    return app
