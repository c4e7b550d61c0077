"""Puts notify together."""

from datetime import timedelta
from pathlib import Path

from flask import Flask

from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.pages import install_pages, show_problem
from servicekit.settings import load
from servicekit.tokens import Verifier
from services.notify import routes, simulated
from services.notify.components import Components
from services.notify.limiter import Limiter
from services.notify.settings import Settings
from services.notify.storage import jobs
from services.notify.vault import Vault

WORKER_IS_AWAY_AFTER = timedelta(seconds=15)


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    verifier: Verifier | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return the application; reads the environment only when no settings are given."""
    settings = settings or load(Settings, "NOTIFY")
    database, clock = database or Database(settings.database_url), clock or SystemClock()

    def ready() -> dict[str, str]:
        with database.snapshot() as session:
            seen = jobs.last_beat(session)
        alive = seen is not None and clock.now() - seen < WORKER_IS_AWAY_AFTER
        return {"worker": "ready" if alive else "away"}  # away: accepting works, messages wait

    def reset() -> None:
        from servicekit import migrate  # Alembic costs 12 MB and is needed for this alone

        migrate.reset("services.notify", settings, database)
        simulated.reset(settings)

    app = new_app(
        "notify",
        settings,
        folder=Path(__file__).parent,
        ready=ready,
        reset=reset,
        verifier=verifier,
        show_problem=show_problem,
    )
    vault, limiter = Vault(settings.raw_data_key() or b""), Limiter(database, clock)
    Components(settings, database, vault, clock, limiter).install(app)
    install_pages(app, "notify")
    routes.install(app)
    return app
