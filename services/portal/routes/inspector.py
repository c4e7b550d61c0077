"""The token inspector: paste a token, read what it says and whether it would be believed."""

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from services.portal.browser import check_form
from services.portal.components import components
from services.portal.domain.inspection import CLAIMS, pretty
from services.portal.inspector import look

pages = Blueprint("inspector", __name__)
PATH = "/portal/developers/token"


@pages.get(PATH)
@access.public
def show_inspector() -> str:
    """Show the empty form."""
    return render_template("inspector.html", look=None, hints=[])


@pages.post(PATH)
@access.public
def inspect() -> Response:
    """Explain a token; it came in the body and goes nowhere else."""
    check_form()
    found = look(request.form.get("token", ""), components().keys)
    issuer, now = components().settings.issuer, components().clock.now()
    page = render_template(
        "inspector.html",
        look=found,
        hints=found.token.hints(issuer, now) if found.token else [],
        claims_known=CLAIMS,
        pretty=pretty,
        issuer=issuer,
    )
    response = make_response(page, 422 if found.unreadable else 200)
    response.headers["Cache-Control"] = "no-store"
    return response
