"""The start page and its live picture."""

import secrets

from flask import Blueprint, Response, render_template

from servicekit import access
from services.portal.components import components
from services.portal.domain.exchange import story
from services.portal.live import fragment
from services.portal.panels import panel
from services.portal.telling import components_picture

pages = Blueprint("start", __name__)


@pages.get("/")
@access.public
def start() -> str:
    """Say what this is and what to do now."""
    picture = _picture()
    return render_template(
        "start.html",
        **picture,
        registers=panel(components().registers.registers),
        journeys=components().journeys,
        application=secrets.token_urlsafe(9),
    )


@pages.get("/portal/live/picture")
@access.public
def live_picture() -> Response:
    """Answer the picture alone, for the page that polls it."""
    return fragment(render_template("_picture.html", **_picture()))


def _picture() -> dict[str, object]:
    exchanges = components().exchanges
    health, log = panel(exchanges.health), panel(lambda: exchanges.latest(limit=30))
    latest = (log.value.exchanges if log.value else None) or []
    told = story(latest)
    return {
        "picture": components_picture(health.value, latest, components().clock.now()),
        "health": health,
        "log": log,
        "last": told[-1] if told else None,
    }
