"""What the citizen pages work with beside the other parts of identity."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, current_app

from services.identity.announcer import Announcer
from services.identity.parts import Parts
from services.identity.passkeys import Passkeys


@dataclass(frozen=True)
class Citizens:
    """The collaborators of the pages on which people manage their account."""

    passkeys: Passkeys
    announcer: Announcer


def install(app: Flask, parts: Parts) -> None:
    """Put them together; every request lets the announcer look for messages that are due."""
    tools = Citizens(
        Passkeys(parts.settings.public_url, parts.vault.key_for("passkey-challenge")),
        Announcer(parts.settings, parts.database, parts.clock, parts.vault),
    )
    app.extensions["identity_citizens"] = tools

    @app.after_request
    def look(response: Response) -> Response:
        tools.announcer.look()
        return response


def citizens() -> Citizens:
    """Return the collaborators of the application that serves this request."""
    return cast(Citizens, current_app.extensions["identity_citizens"])
