"""Identity over HTTP: the protocol for programs, the data it answers, the pages for people."""

from flask import Flask

from services.identity.routes import data, protocol


def register(app: Flask) -> None:
    """Add every route of identity to the application."""
    for blueprint in (protocol.blueprint, data.blueprint):
        app.register_blueprint(blueprint)
