"""Identity over HTTP: the protocol for programs, the data it answers, the pages for people."""

import logging

from flask import Flask

from services.identity import citizens
from services.identity.parts import Parts
from services.identity.routes import (
    administration,
    agreeing,
    clients,
    codes,
    consents,
    data,
    devices,
    factors,
    keys,
    protocol,
    recovery,
    registration,
    sign_in,
    sign_out,
    token,
)

BLUEPRINTS = (
    protocol.blueprint,
    token.blueprint,
    keys.blueprint,
    data.blueprint,
    sign_in.blueprint,
    sign_out.blueprint,
    agreeing.blueprint,
    consents.blueprint,
    registration.blueprint,
    recovery.blueprint,
    factors.blueprint,
    codes.blueprint,
    devices.blueprint,
    clients.blueprint,
    administration.blueprint,
)


def register(app: Flask) -> None:
    """Add every route of identity to the application."""
    # Authlib writes whole tokens at the level DEBUG; no setting of ours may ever show them
    logging.getLogger("authlib").setLevel(logging.INFO)
    parts: Parts = app.extensions["identity"]
    citizens.install(app, parts)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
