"""The portal's pages."""

from flask import Flask, Response, render_template, request

from servicekit import pages
from servicekit.problems import Problem
from services.portal import browser
from services.portal.components import components
from services.portal.domain import places, times
from services.portal.domain.exchange import duration
from services.portal.routes import (
    apis,
    apps,
    calls,
    directory,
    guides,
    happened,
    hooks,
    inspector,
    journeys,
    own_records,
    people,
    records,
    register_tools,
    registers,
    reuse,
    start,
    status,
    teach,
)
from services.portal.sessions import SignInNeeded
from services.portal.telling import (
    basis,
    caller_name,
    categories,
    component_name,
    say,
    was_stopped,
)

_PARTS = (
    *(start, registers, register_tools, records, own_records),
    *(happened, journeys, people, reuse, status),
    *(apis, apps, inspector, calls, hooks, guides, directory, teach),
)


def install(app: Flask) -> None:
    """Give an application every page, and templates what they write with."""
    browser.install(app)
    for part in _PARTS:
        app.register_blueprint(part.pages)

    @app.context_processor
    def values() -> dict[str, object]:
        return {
            "say": say,
            "problem_types": components().problems,
            "duration": duration,
            "component_name": component_name,
            "caller_name": caller_name,
            "categories": categories,
            "basis": basis,
            "was_stopped": was_stopped,
            "point": places.point,
            "seconds": status.seconds,
            "moment": times.parse,
            "from_unix": times.from_unix,
            "machine_time": times.machine,
            "clock_time": times.clock_time,
            "day_and_time": lambda moment: times.day_and_time(moment, pages.language()),
            "ago": lambda moment: times.ago(moment, components().clock.now(), pages.language()),
        }


def show_problem(problem: Problem) -> Response | None:
    """Answer a Problem as a page where the caller is a browser."""
    if isinstance(problem, SignInNeeded) and request.accept_mimetypes.accept_html:
        back = request.full_path.rstrip("?") if request.method == "GET" else request.path
        return Response(render_template("sign_in_needed.html", back=back), mimetype="text/html")
    return pages.show_problem(problem)
