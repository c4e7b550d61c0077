"""A person's own records in a personal register, and asking for what is wrong to be put right."""

from typing import Any

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit.pages import address
from services.portal.browser import check_form, person, signed_in
from services.portal.components import components
from services.portal.own_records_client import OwnRecordsClient
from services.portal.panels import Panel, panel
from services.portal.registers_client import Context
from services.portal.routes.registers import about_register, no_register

pages = Blueprint("own_records", __name__)
_DONE = ("asked", "erasure")
_MAX_TEXT = 2000


@pages.get("/portal/registers/<register>/mine")
@signed_in
def show_own(register: str) -> str:
    """Show the person's records with their history and what became of their corrections."""
    done = request.args.get("done", "")
    return _page(register, done if done in _DONE else "", None)


@pages.post("/portal/registers/<register>/mine")
@signed_in
def ask(register: str) -> Response | tuple[str, int]:
    """Ask the custodian for a correction, or for the record to be erased."""
    check_form()
    is_erasure = request.form.get("erase") == "1"
    wish = {"because": _given("because")}
    wish |= {} if is_erasure else {"field": _given("field"), "wanted": _given("wanted")}
    key, client = _given("key")[:200], _client()
    asked = panel(lambda: client.ask(register, key, wish, is_erasure=is_erasure))
    if asked.trouble is not None:
        return _page(register, "", asked), 422
    done = "erasure" if is_erasure else "asked"
    return redirect(address(f"/portal/registers/{register}/mine", done=done), 303)


def _page(register: str, done: str, failed: Panel[Any] | None) -> str:
    context = panel(lambda: components().registers.context(register))
    if context.trouble == "missing" or not (context.value or Context([], "", "", "")).kept_apart:
        raise no_register()
    client = _client()
    return render_template(
        "own_records.html",
        register=register,
        about=about_register(register),
        context=context.value,
        names={field.id: field for field in context.value.kept_apart} if context.value else {},
        found=panel(lambda: client.records(register)),
        done=done,
        failed=failed,
        who=person(),
    )


def _given(name: str) -> str:
    return request.form.get(name, "").strip()[:_MAX_TEXT]


def _client() -> OwnRecordsClient:
    who = person()
    return OwnRecordsClient(
        components().corridor,
        lambda: components().sessions.token(who, "registers", "registers.personal"),
    )
