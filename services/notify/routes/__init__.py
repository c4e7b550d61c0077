"""HTTP: the v2 API at the root, and notify's own addresses under /notify."""

from flask import Flask

from services.notify import errors
from services.notify.routes import (
    files,
    inbox,
    letters,
    operate,
    reading,
    receipts,
    received,
    sending,
    templates,
)
from services.notify.routes.blueprint import own, v2


def install(app: Flask) -> None:
    """Add every route of the service to the application."""
    errors.install(app)
    app.register_blueprint(v2)
    app.register_blueprint(own)


__all__ = [
    "files",
    "inbox",
    "install",
    "letters",
    "operate",
    "reading",
    "receipts",
    "received",
    "sending",
    "templates",
]
