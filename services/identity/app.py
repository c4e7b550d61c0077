"""Puts identity together."""

from pathlib import Path

from flask import Flask

from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.pages import install_pages, show_problem
from servicekit.settings import load
from services.identity import routes, start_state
from services.identity.fapi import Fapi
from services.identity.fapi.proofs import proof_of_call
from services.identity.parts import assemble
from services.identity.protocol.verify import own_verifier
from services.identity.settings import Settings
from services.identity.storage import feed
from services.identity.upkeep import Upkeep


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return identity's application; reads the environment only when settings is None."""
    is_served = settings is None
    settings = settings or load(Settings, "IDENTITY")
    database = database or Database(settings.database_url)
    clock = clock or SystemClock()
    parts = assemble(settings, database, clock, Fapi(clock))

    def ready() -> None:
        with database.snapshot() as session:
            feed.page(session, after=0, limit=1)

    def reset() -> None:
        with database.transaction() as session:
            start_state.clear(session)
            start_state.load(session, settings)
        parts.clients.forget()
        parts.keys.forget()
        parts.teaching.forget()

    app = new_app(
        "identity",
        settings,
        folder=Path(__file__).parent,
        ready=ready,
        reset=reset,
        verifier=own_verifier(parts),
        show_problem=show_problem,
    )
    app.extensions |= {"identity": parts, "atoll_proof": proof_of_call}
    install_pages(app, "identity")
    routes.register(app)
    if is_served:
        Upkeep(parts).start()
    return app
