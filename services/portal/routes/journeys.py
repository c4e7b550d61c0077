"""The journeys: what each is, and the button that runs it."""

import re
import secrets
from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from servicekit.pages import address
from servicekit.problems import NotFound
from services.portal.browser import check_form
from services.portal.components import components
from services.portal.domain.journey import JOURNEYS, Outcome

pages = Blueprint("journeys", __name__)
_APPLICATION = re.compile(r"[A-Za-z0-9_-]{1,40}")


def _page(name: str, application: str, outcome: Outcome | None = None) -> str:
    return render_template(
        "journey.html",
        name=name,
        steps=JOURNEYS[name].steps,
        can_run=name in components().journeys,
        others=[other for other in components().journeys if other != name],
        application=application,
        outcome=outcome,
    )


def _explaining(name: str) -> Callable[[], str]:
    def explain() -> str:
        """Explain the journey step by step, with the button that runs it."""
        return _page(name, secrets.token_urlsafe(9))

    return explain


def _running(name: str) -> Callable[[], Response | tuple[str, int]]:
    def run() -> Response | tuple[str, int]:
        """Run the journey, then show what happened; the same application never acts twice."""
        check_form()
        program = components().journeys.get(name)
        if program is None:
            raise NotFound("This platform has no demonstration, so there is no journey to run.")
        given = request.form.get("application", "")
        application = given if _APPLICATION.fullmatch(given) else secrets.token_urlsafe(9)
        outcome = program.run(application)
        if outcome.state == "failed" or outcome.trace is None:
            return _page(name, application, outcome), 503
        step = {"step": 1} if request.form.get("steps") else {}
        return redirect(address("/portal/happened", trace=outcome.trace, **step), 303)

    return run


for _name in JOURNEYS:
    pages.get(f"/portal/{_name}", endpoint=_name)(access.public(_explaining(_name)))
    pages.post(f"/portal/{_name}", endpoint=f"run_{_name}")(access.public(_running(_name)))
