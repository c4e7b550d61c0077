"""The registers application, put together."""

from pathlib import Path

from flask import Flask

from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.settings import load
from servicekit.tokens import Verifier
from services.registers import background, routes, start_state
from services.registers.settings import Settings


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    verifier: Verifier | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return the application; the environment is read only when settings is None."""
    in_production = settings is None
    settings = settings or load(Settings, "REGISTERS")
    database = database or Database(settings.database_url)
    app = new_app(
        "registers",
        settings,
        folder=Path(__file__).parent,
        ready=lambda: start_state.check_ready(database),
        reset=lambda: start_state.reset(settings, database),
        verifier=verifier,
        show_problem=routes.show_problem,
    )
    clock = clock or SystemClock()
    routes.install(app, database, clock)
    if in_production:
        background.start(settings, database, clock)
    return app
