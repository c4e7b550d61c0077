"""The instructor's levers: what each will do, what to look at, and how it is undone.

Only in a demonstration. Each lever is a form with its token; nothing here needs JavaScript.
"""

import re
from collections.abc import Callable, Mapping

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from servicekit.pages import address
from servicekit.problems import NotFound
from services.portal.answers import number, text
from services.portal.browser import check_form
from services.portal.components import components
from services.portal.directory_client import Levers
from services.portal.panels import Panel, panel

pages = Blueprint("teach", __name__)
PATH = "/portal/teach"
SERVICES = ("notify", "identity", "registers")  # the portal's own lever would take this page away
KINDS = ("stop", "slow", "break")
REGISTERS = ("island", "council", "atoll")
MODES = ("ok", "fail")
MAX_DELAY_MS = 10_000
Pull = Callable[[], Mapping[str, str]]
_NAME = re.compile(r"[a-z0-9-]{1,40}")


@pages.get(PATH)
@access.public
def teach() -> str:
    """Show every lever and how it stands."""
    return _page()


@pages.post(PATH)
@access.public
def pull() -> Response | tuple[str, int]:
    """Pull one lever, or let it go, then show how all stand."""
    levers = _levers()
    check_form()
    lever = request.form.get("lever", "")
    prepare = _LEVERS.get(lever)
    if prepare is None:
        raise NotFound("There is no such lever.")
    done = panel(prepare(levers))
    if done.value is None:
        return _page(failed=done), 503 if done.trouble == "away" else 400
    return redirect(f"{address(PATH, done=lever, **done.value)}#{lever}", 303)


def _levers() -> Levers:
    found = components().levers
    if found is None:
        raise NotFound("There are no levers here; they belong to the demonstration.")
    return found


def _page(failed: Panel[Mapping[str, str]] | None = None) -> str:
    levers = _levers()
    return render_template(
        "teach.html",
        faults=panel(levers.faults),
        providers=panel(levers.providers),
        services=SERVICES,
        registers=REGISTERS,
        failed=failed,
        done=request.args.get("done", "") if failed is None else "",
        register=_name(request.args.get("register")),
        entry=number(request.args.get("entry")),
    )


# Each reads the form, raises NotFound for what no lever does, and returns what pulls it; that in
# turn returns what the page says of it afterwards.


def _fault(levers: Levers) -> Pull:
    service, kind = request.form.get("service", ""), request.form.get("kind", "")
    if service not in SERVICES or kind not in (*KINDS, "ok"):
        raise NotFound("There is no such lever.")
    delay_ms = min(max(number(request.form.get("delay_ms")), 1), MAX_DELAY_MS)

    def pull() -> Mapping[str, str]:
        if kind == "ok":
            levers.let_go(service)
        else:
            levers.pull(service, kind, delay_ms if kind == "slow" else 0)
        return {}

    return pull


def _provider(levers: Levers) -> Pull:
    name, mode = _name(request.form.get("provider")), request.form.get("mode", "")
    if not name or mode not in MODES:
        raise NotFound("There is no such provider.")

    def pull() -> Mapping[str, str]:
        levers.tell_provider(name, mode)
        return {}

    return pull


def _tamper(levers: Levers) -> Pull:
    register = _name(request.form.get("register"))

    def pull() -> Mapping[str, str]:
        changed = levers.tamper(register)
        return {"register": register, "entry": text(changed.get("entry-number"))}

    return pull


def _put_back(levers: Levers) -> Pull:
    def pull() -> Mapping[str, str]:
        levers.put_back()
        return {}

    return pull


def _reset(levers: Levers) -> Pull:
    is_sure = request.form.get("sure") == "yes"

    def pull() -> Mapping[str, str]:
        if is_sure:
            levers.reset()
        return {"reset": "yes"} if is_sure else {}

    return pull


_LEVERS: Mapping[str, Callable[[Levers], Pull]] = {
    "fault": _fault,
    "provider": _provider,
    "tamper": _tamper,
    "put-back": _put_back,
    "reset": _reset,
}


def _name(value: str | None) -> str:
    return value if value and _NAME.fullmatch(value) else ""
