"""Refusals in the format that was asked for: a row of CSV, a page; problem+json otherwise."""

from flask import Response, current_app, request
from markupsafe import Markup

from servicekit.problems import Problem
from services.registers.domain import forms
from services.registers.routes import answers
from services.registers.routes.answers import CSV

COLUMNS = ("type", "title", "status", "detail")
_PAGE = Markup(
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<h1>{title}</h1>\n<p>{detail}</p>\n"
    '<p><a href="{type}">What this means and what to do</a> · '
    '<a href="{type}?lang=dv" lang="dv" dir="rtl">މިއީ ކޮބައިކަން</a></p>\n</html>\n'
)


def show_problem(problem: Problem) -> Response | None:
    """Answer a Problem as CSV or as a page where that was asked for and exists at the address."""
    if problem.status == 406:
        return None
    body = problem.body(current_app.config["ATOLL_SETTINGS"].public_url)
    wanted = request.accept_mimetypes.best_match(
        ["application/json", "application/problem+json", "text/csv", "text/html"]
    )
    ending = answers.suffix()
    if ending == ".csv" or (not ending and wanted == "text/csv"):
        row = [body[name] for name in COLUMNS]
        return Response(forms.table(COLUMNS, [row]), content_type=CSV)
    if not ending and wanted == "text/html":
        return Response(_PAGE.format(**body), content_type="text/html; charset=utf-8")
    return None
