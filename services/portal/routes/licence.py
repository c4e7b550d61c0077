"""The vessel licence: what the journey is, and the button that runs it."""

import re
import secrets

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from servicekit.pages import address
from servicekit.problems import NotFound
from services.portal.browser import check_form
from services.portal.components import components

pages = Blueprint("licence", __name__)
_APPLICATION = re.compile(r"[A-Za-z0-9_-]{1,40}")


@pages.get("/portal/licence")
@access.public
def licence() -> str:
    """Explain the journey step by step, with the button that runs it."""
    return render_template(
        "licence.html",
        licence=components().licence is not None,
        application=secrets.token_urlsafe(9),
        outcome=None,
    )


@pages.post("/portal/licence")
@access.public
def run() -> Response | tuple[str, int]:
    """Run the journey, then show what happened; the same application is never done twice."""
    check_form()
    program = components().licence
    if program is None:
        raise NotFound("This platform has no demonstration, so there is no journey to run.")
    given = request.form.get("application", "")
    application = given if _APPLICATION.fullmatch(given) else secrets.token_urlsafe(9)
    outcome = program.run(application)
    if outcome.state == "failed" or outcome.trace is None:
        page = render_template(
            "licence.html", licence=True, application=application, outcome=outcome
        )
        return page, 503
    step = {"step": 1} if request.form.get("steps") else {}
    return redirect(address("/portal/happened", trace=outcome.trace, **step), 303)
