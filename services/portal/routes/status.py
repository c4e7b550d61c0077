"""The status page: whether every component answers, and how fresh the door's knowledge is."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template

from servicekit import access
from services.portal.answers import members, number, rows, text
from services.portal.components import components
from services.portal.panels import panel

pages = Blueprint("status", __name__)
_STATES = ("ready", "starting", "down")


@pages.get("/portal/status")
@access.public
def status() -> str:
    """Show every component with its instances, and the age of what the gateway knows."""
    found = panel(components().exchanges.readiness)
    return render_template("status.html", found=found, parts_shown=_parts(found.value or {}))


def _parts(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "state": _state(members(one)),
            "instances": len(rows(members(one).get("instances"))),
            "ready": sum(_state(each) == "ready" for each in rows(members(one).get("instances"))),
            "open": sum(
                text(each.get("circuit")) not in ("", "closed")
                for each in rows(members(one).get("instances"))
            ),
        }
        for name, one in members(report.get("components")).items()
    ]


def _state(one: Mapping[str, Any]) -> str:
    state = text(one.get("state"))
    return state if state in _STATES else "unknown"


def seconds(value: Any) -> str:
    """Write a number of seconds for people, isolated so that it keeps its order."""
    return f"\u2066{value:.1f} s\u2069" if isinstance(value, int | float) else str(number(value))
