"""The webhook tester: an address for a day, and what arrived there, never rendered."""

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from servicekit import access
from servicekit.pages import address
from servicekit.problems import NotFound, TooLarge
from services.portal.browser import check_form, person, signed_in
from services.portal.components import components
from services.portal.domain.hooks import A_MINUTE, KEPT, MAX_BODY_BYTES, MAX_SECRET
from services.portal.hooks import Hooks
from services.portal.panels import panel

pages = Blueprint("hooks", __name__)
PATH = "/portal/developers/hooks"
# what strangers sent is on these pages as text; here no script runs, whatever it says
_SANDBOX = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "sandbox allow-forms allow-same-origin"
)


@pages.post("/portal/hooks/<inbox_id>")
@access.public
def take_hook(inbox_id: str) -> Response:
    """Keep a POST for the developer whose address this is."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TooLarge(f"A webhook here has at most {MAX_BODY_BYTES} bytes.")
    body = request.stream.read(MAX_BODY_BYTES + 1)
    _hooks().take(inbox_id, request.headers.items(), body)
    return Response(status=204)


@pages.get(PATH)
@signed_in
def list_hooks() -> str:
    """Show the person's addresses."""
    return _list_page(full="")


@pages.post(PATH)
@signed_in
def make_hook() -> AnyResponse | tuple[str, int]:
    """Make an address for a day."""
    check_form()
    made = panel(lambda: _hooks().open(person().subject))
    if made.value is None:
        return _list_page(full=made.detail), 409
    return redirect(address(f"{PATH}/{made.value}"), 303)


@pages.get(f"{PATH}/<inbox_id>")
@signed_in
def show_hook(inbox_id: str) -> Response:
    """Show what arrived at one address, and whether it is signed."""
    return _hook_page(inbox_id)


@pages.get(f"{PATH}/<inbox_id>/<int:number>")
@signed_in
def show_delivery(inbox_id: str, number: int) -> Response:
    """Answer one delivery as plain text to save, headers and body."""
    found = _hooks().delivery(inbox_id, person().subject, number)
    response = Response(found.raw(), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="delivery-{number}.txt"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@pages.post(f"{PATH}/<inbox_id>/secret")
@signed_in
def keep_secret(inbox_id: str) -> AnyResponse:
    """Check signatures with the secret that the sender gave."""
    check_form()
    secret = request.form.get("secret", "")[:MAX_SECRET]
    if not _hooks().keep_secret(inbox_id, person().subject, secret):
        return _hook_page(inbox_id, unreadable=True)
    return redirect(address(f"{PATH}/{inbox_id}"), 303)


@pages.post(f"{PATH}/<inbox_id>/remove")
@signed_in
def remove_hook(inbox_id: str) -> AnyResponse:
    """Remove an address with everything in it."""
    check_form()
    _hooks().close(inbox_id, person().subject)
    return redirect(address(PATH), 303)


def _hooks() -> Hooks:
    """Return the tester; only a demonstration has one."""
    found = components().hooks
    if found is None:
        raise NotFound("This platform has no demonstration, so no webhooks are tried here.")
    return found


def _list_page(full: str) -> str:
    return render_template(
        "hooks.html", inboxes=_hooks().mine(person().subject), full=full, kept=KEPT
    )


def _hook_page(inbox_id: str, *, unreadable: bool = False) -> Response:
    opened = _hooks().look(inbox_id, person().subject)
    target = f"{components().settings.public_url}/portal/hooks/{opened.inbox.id}"
    page = render_template(
        "hook.html",
        opened=opened,
        target=target,
        unreadable=unreadable,
        kept=KEPT,
        a_minute=A_MINUTE,
        most_bytes=MAX_BODY_BYTES,
    )
    response = make_response(page, 422 if unreadable else 200)
    response.headers["Content-Security-Policy"] = _SANDBOX
    response.headers["Cache-Control"] = "private, no-store"
    return response
