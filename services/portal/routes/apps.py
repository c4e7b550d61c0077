"""The developer's own programs: made in a minute, changed, asked to go live, decided about."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from servicekit.pages import address
from services.portal.apps_client import APPS, App, AppsClient, read_scopes
from services.portal.browser import check_form, person, signed_in, viewer
from services.portal.components import components
from services.portal.panels import Panel, panel

pages = Blueprint("developers", __name__)
DEVELOPERS = "/portal/developers"
PATH = f"{DEVELOPERS}/apps"
FAULTS = ("expired_token", "wrong_audience", "invalid_signature", "denied_consent")
SLOW_MS = 3000
OVERLAP_S = 24 * 3600
_MOST = 2000
_DONE = ("made", "addresses", "asked", "faults", "removed", "approved", "refused")
T = TypeVar("T")


@pages.get(DEVELOPERS)
@access.public
def developers() -> str:
    """Show what there is for developers."""
    return render_template("developers.html", who=viewer())


@pages.get(f"{DEVELOPERS}/scopes")
@access.public
def scopes() -> str:
    """Explain every scope."""
    return render_template("scopes.html", scopes=panel(lambda: read_scopes(components().corridor)))


@pages.get(PATH)
@signed_in
def list_apps() -> str:
    """Show the person's programs."""
    return render_template("apps.html", found=_ask(lambda apps: apps.mine()), done=_done())


@pages.get(f"{PATH}/new")
@signed_in
def new_app() -> str:
    """Show the form: a name and two ticks."""
    return render_template("app_new.html", form={"kind": ["alone"]}, trouble=None)


@pages.post(f"{PATH}/new")
@signed_in
def make_app() -> Response | tuple[str, int]:
    """Make a program and show its secret this once."""
    check_form()
    form = {
        "name": _field("name"),
        "addresses": _field("addresses"),
        "kind": request.form.getlist("kind")[:2],
    }
    made = _ask(lambda apps: apps.register(_metadata(form)))
    if made.value is None:
        return render_template("app_new.html", form=form, trouble=made), 422
    return _secret_page(made.value)


@pages.get(f"{PATH}/<app_id>")
@signed_in
def show_app(app_id: str) -> str | tuple[str, int]:
    """Show one program and everything that can be done with it."""
    return _app_page(app_id)


@pages.post(f"{PATH}/<app_id>/addresses")
@signed_in
def change_addresses(app_id: str) -> Response | tuple[str, int]:
    """Change where people are sent back to."""
    check_form()
    addresses = _field("addresses").split()
    changed = _ask(lambda apps: apps.change(apps.find(app_id), redirect_uris=addresses))
    return _after(app_id, changed, "addresses")


@pages.post(f"{PATH}/<app_id>/scopes")
@signed_in
def ask_for_scopes(app_id: str) -> Response | tuple[str, int]:
    """Ask for scopes that somebody must approve."""
    check_form()
    wanted, why = request.form.getlist("scope")[:20], _field("why")

    def ask(apps: AppsClient) -> App:
        app = apps.find(app_id)
        held = app.waiting.scopes if app.waiting else app.scopes
        return apps.change(app, why, scope=" ".join(dict.fromkeys([*held, *wanted])))

    return _after(app_id, _ask(ask), "asked")


@pages.post(f"{PATH}/<app_id>/live")
@signed_in
def ask_to_go_live(app_id: str) -> Response | tuple[str, int]:
    """Ask that the program may serve real people."""
    check_form()
    why = _field("why")
    asked = _ask(lambda apps: apps.ask_to_go_live(app_id, why))
    return _after(app_id, asked, "asked")


@pages.post(f"{PATH}/<app_id>/secret")
@signed_in
def rotate_secret(app_id: str) -> Response | tuple[str, int]:
    """Give the program a new secret and show it this once."""
    check_form()
    overlap_s = 0 if request.form.get("at_once") else OVERLAP_S
    rotated = _ask(lambda apps: apps.rotate(app_id, overlap_s))
    if rotated.value is None:
        return _app_page(app_id, rotated)
    return _secret_page(rotated.value)


@pages.post(f"{PATH}/<app_id>/faults")
@signed_in
def inject_faults(app_id: str) -> Response | tuple[str, int]:
    """Choose the faults that a sandbox program meets."""
    check_form()
    chosen = request.form.getlist("fault")
    faults: dict[str, Any] = {name: True for name in FAULTS if name in chosen}
    if "slow_token" in chosen:
        faults["slow_token_ms"] = SLOW_MS
    return _after(app_id, _ask(lambda apps: apps.inject(app_id, faults)), "faults")


@pages.post(f"{PATH}/<app_id>/remove")
@signed_in
def remove_app(app_id: str) -> Response | tuple[str, int]:
    """End the program for good."""
    check_form()
    removed = _ask(lambda apps: apps.remove(app_id))
    if removed.trouble:
        return _app_page(app_id, removed)
    return redirect(address(PATH, done="removed"), 303)


@pages.get(f"{DEVELOPERS}/approvals")
@signed_in
def approvals() -> str:
    """Show what waits for a decision of somebody with the role."""
    return _approvals_page()


@pages.post(f"{DEVELOPERS}/approvals/<app_id>")
@signed_in
def decide(app_id: str) -> Response | tuple[str, int]:
    """Approve or refuse, with a reason."""
    check_form()
    decision = "approve" if request.form.get("decision") == "approve" else "refuse"
    reason = _field("reason")
    decided = _ask(lambda apps: apps.decide(app_id, decision, reason))
    if decided.trouble:
        return _approvals_page(decided), 422
    done = "approved" if decision == "approve" else "refused"
    return redirect(address(f"{DEVELOPERS}/approvals", done=done), 303)


@pages.get(f"{DEVELOPERS}/audit")
@signed_in
def audit() -> str:
    """Show privileged actions: all to administrators, others those about their programs."""
    given = request.args.get("before", "")
    before = given if given.isascii() and given.isdecimal() and len(given) < 18 else None
    return render_template("audit.html", found=_ask(lambda apps: apps.audit(before)))


def _ask(call: Callable[[AppsClient], T]) -> Panel[T]:
    """Ask identity as the signed-in person; what it refuses becomes a sentence."""
    who = person()

    def fetch() -> T:
        token = components().sessions.token(who, "identity", APPS)
        return call(AppsClient(components().corridor, token))

    return panel(fetch)


def _after(app_id: str, result: Panel[Any], done: str) -> Response | tuple[str, int]:
    if result.trouble:
        return _app_page(app_id, result)
    return redirect(address(f"{PATH}/{app_id}", done=done), 303)


def _app_page(app_id: str, failed: Panel[Any] | None = None) -> tuple[str, int]:
    found = _ask(lambda apps: apps.find(app_id))
    catalogue = panel(lambda: read_scopes(components().corridor))
    page = render_template(
        "app.html",
        found=found,
        app=found.value,
        failed=failed,
        faults=FAULTS,
        catalogue={one["scope"]: one for one in catalogue.value or []},
        done=_done(),
    )
    return page, 404 if found.trouble == "missing" else 422 if failed else 200


def _approvals_page(failed: Panel[Any] | None = None) -> str:
    return render_template(
        "approvals.html", found=_ask(lambda apps: apps.waiting()), failed=failed, done=_done()
    )


def _secret_page(app: App) -> Response:
    page = render_template("app_secret.html", app=app, public=components().settings.public_url)
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _metadata(form: dict[str, Any]) -> dict[str, Any]:
    grants, scopes = [], []
    if "people" in form["kind"]:
        grants += ["authorization_code", "refresh_token"]
        scopes += ["openid", "profile"]
    if "alone" in form["kind"]:
        grants.append("client_credentials")
        scopes.append("registers.read")
    return {
        "client_name": form["name"],
        "grant_types": grants,
        "scope": " ".join(scopes),
        "redirect_uris": form["addresses"].split() if "people" in form["kind"] else [],
    }


def _field(name: str) -> str:
    return request.form.get(name, "")[:_MOST].strip()


def _done() -> str | None:
    given = request.args.get("done", "")
    return given if given in _DONE else None
