"""HTTP: the addresses of specification v2 under /registers, and the append."""

from flask import Flask

from servicekit.clock import Clock
from servicekit.database import Database
from services.registers.routes import (
    administration,
    answers,
    appending,
    comparing,
    describing,
    downloads,
    exports,
    extracts,
    feeds,
    governance,
    loading,
    log,
    operating,
    personal,
    proofs,
    proposing,
    quality,
    reading,
    redirects,
    roles,
    searching,
    state,
    version1,
)
from services.registers.routes.refusals import show_problem

__all__ = ["install", "show_problem"]


def install(app: Flask, database: Database, clock: Clock) -> None:
    """Give the application its addresses."""
    app.extensions["registers"] = state.State(database, clock)
    app.url_map.converters["key"] = answers.Key
    app.wsgi_app = answers.SuffixOff(app.wsgi_app)  # type: ignore[assignment,method-assign]
    app.url_map.merge_slashes = False
    modules = (
        reading,
        version1,
        proofs,
        exports,
        redirects,
        appending,
        loading,
        log,
        extracts,
        feeds,
        personal,
        operating,
        administration,
        proposing,
        governance,
        comparing,
        searching,
        describing,
        downloads,
        quality,
    )
    app.after_request(roles.keep_private)
    app.before_request(personal.check_forms)
    for module in modules:
        app.register_blueprint(module.blueprint)
