"""Composition root of the portal."""

from pathlib import Path

from flask import Flask

from servicekit import settings as kit_settings
from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database, empty
from servicekit.outbound import Corridor
from servicekit.pages import install_pages
from servicekit.tokens import KeySource, Verifier
from services.portal import routes, storage
from services.portal.components import Components
from services.portal.settings import Settings


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    corridor: Corridor | None = None,
    keys: KeySource | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Build the portal; the environment is read only when no settings are given."""
    settings = settings or kit_settings.load(Settings, "PORTAL")
    database = database or Database(settings.database_url)
    corridor = corridor or Corridor(
        settings.gateway_url, settings.client_id, settings.client_secret, timeout_s=3
    )
    keys = keys or KeySource(lambda: corridor.send("GET", "/identity/jwks").json())

    def reset() -> None:
        with database.transaction() as session:
            empty(session, storage.metadata)  # the start state: nobody is signed in

    app = new_app(
        "portal",
        settings,
        folder=Path(__file__).parent,
        ready=lambda: storage.check(database),
        reset=reset,
        verifier=Verifier(keys, settings.issuer),
        show_problem=routes.show_problem,
    )
    install_pages(app, "portal")
    components = Components(settings, database, corridor, keys, clock or SystemClock())
    app.extensions["portal"] = components
    routes.install(app)
    return app
