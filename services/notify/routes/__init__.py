"""HTTP: the v2 API at the root, and notify's own addresses under /notify."""

from flask import Flask

from services.notify import errors
from services.notify.routes import (
    bulk,
    callbacks,
    cancelling,
    files,
    inbox,
    keys,
    letters,
    operate,
    reading,
    receipts,
    received,
    sending,
    suppressions,
    template_writing,
    templates,
    unsubscribing,
)
from services.notify.routes.blueprint import own, v2


def install(app: Flask) -> None:
    """Add every route of the service to the application."""
    errors.install(app)
    app.register_blueprint(v2)
    app.register_blueprint(own)


__all__ = [
    "bulk",
    "callbacks",
    "cancelling",
    "files",
    "inbox",
    "install",
    "keys",
    "letters",
    "operate",
    "reading",
    "receipts",
    "received",
    "sending",
    "suppressions",
    "template_writing",
    "templates",
    "unsubscribing",
]
