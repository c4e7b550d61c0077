"""The reuse map: who uses which component, drawn, as a table, and as data."""

from flask import Blueprint, Response, jsonify, render_template, request

from servicekit import access
from servicekit.pages import language, text
from services.portal.components import components
from services.portal.domain.reuse import ReuseMap, draw
from services.portal.panels import panel
from services.portal.reuse_client import read_reuse
from services.portal.telling import component_name, say

pages = Blueprint("reuse", __name__)
DAYS = (1, 7, 30)


@pages.get("/portal/reuse")
@access.public
def reuse() -> str:
    """Show the map, the matrix and what the platform saves."""
    days = _days()
    found = panel(lambda: read_reuse(components().corridor, days))
    return render_template(
        "reuse.html",
        found=found,
        map=found.value,
        days=days,
        choices=DAYS,
        picture=_picture(found.value) if found.value and found.value.pairs else "",
    )


@pages.get("/portal/reuse.csv")
@access.public
def reuse_csv() -> Response:
    """Answer the pairs as CSV."""
    found = read_reuse(components().corridor, _days())
    response = Response(found.to_csv(), content_type="text/csv;charset=UTF-8")
    response.headers["Content-Disposition"] = 'attachment; filename="reuse.csv"'
    return response


@pages.get("/portal/reuse.json")
@access.public
def reuse_json() -> Response:
    """Answer the whole map as JSON."""
    return jsonify(read_reuse(components().corridor, _days()).to_json())


def _days() -> int:
    given = request.args.get("days", "")
    return int(given) if given in map(str, DAYS) else DAYS[-1]


def _picture(found: ReuseMap) -> str:
    return draw(
        [(key, _consumer(key, found)) for key in found.consumers],
        [(key, component_name(key)) for key in found.components],
        found.pairs,
        component_name("gateway"),
        str(text("reuse_title")),
        rtl=language() == "dv",
    )


def _consumer(key: str, found: ReuseMap) -> str:
    return component_name("portal") if key == "portal" else say(found.consumers[key]) or key
