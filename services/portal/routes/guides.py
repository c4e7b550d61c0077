"""What a developer reads once: the conventions of every API, the libraries to use, what changed."""

from typing import Any

from flask import Blueprint, render_template

from servicekit import access
from services.portal.answers import members, text
from services.portal.components import components
from services.portal.panels import panel
from services.portal.routes.apis import document_of

pages = Blueprint("guides", __name__)
_DEVELOPERS = "/portal/developers"


@pages.get(f"{_DEVELOPERS}/conventions")
@access.public
def conventions() -> str:
    """Explain what holds for every API."""
    return _guide("conventions.html", components().conventions)


@pages.get(f"{_DEVELOPERS}/libraries")
@access.public
def libraries() -> str:
    """Name the libraries that work with the platform as they are."""
    return _guide("libraries.html", components().libraries)


@pages.get(f"{_DEVELOPERS}/changes")
@access.public
def changes() -> str:
    """Show what changed in each API, beside the version that runs now."""
    found = {name: panel(lambda name=name: _version(name)) for name in components().apis}  # type: ignore[misc]
    return render_template("changes.html", changes=components().changes, versions=found)


def _guide(template: str, content: dict[str, Any]) -> str:
    return render_template(template, parts=content, public=components().settings.public_url)


def _version(service: str) -> str:
    return text(members(members(document_of(service)).get("info")).get("version"))
