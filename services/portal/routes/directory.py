"""The directory: every API with its owner, and which program may call which, under which law."""

from flask import Blueprint, render_template

from servicekit import access
from services.portal.answers import members, rows, text
from services.portal.components import components
from services.portal.panels import panel

pages = Blueprint("directory", __name__)
_STATES = ("in-force", "future", "ended")


@pages.get("/portal/directory")
@access.public
def directory() -> str:
    """Show APIs and agreements; those that nobody has used for long are marked."""
    apis = panel(components().directory.apis)
    found = panel(components().directory.agreements)
    agreements = rows(members(found.value).get("agreements"))
    agreements.sort(key=lambda one: _STATES.index(_state(one.get("state"))))
    return render_template(
        "directory.html",
        apis=apis,
        found=found,
        agreements=agreements,
        unused_after=members(found.value).get("unused_after_days"),
        unused=sum(one.get("unused") is True for one in agreements),
        state_of=_state,
    )


def _state(value: object) -> str:
    state = text(value)
    return state if state in _STATES else "ended"
