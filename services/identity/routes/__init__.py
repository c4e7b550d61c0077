"""Identity over HTTP: the protocol for programs, the data it answers, the pages for people."""

import logging

from flask import Flask

from services.identity.routes import consents, data, protocol, sign_in, sign_out

BLUEPRINTS = (
    protocol.blueprint,
    data.blueprint,
    sign_in.blueprint,
    sign_out.blueprint,
    consents.blueprint,
)


def register(app: Flask) -> None:
    """Add every route of identity to the application."""
    # Authlib writes whole tokens at the level DEBUG; no setting of ours may ever show them
    logging.getLogger("authlib").setLevel(logging.INFO)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
