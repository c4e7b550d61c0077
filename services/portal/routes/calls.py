"""The request inspector: a developer's own calls as the gateway recorded them."""

import json
import re

from flask import Blueprint, render_template, request

from servicekit.problems import NotFound
from services.portal import own_calls
from services.portal.apps_client import APPS, App, AppsClient
from services.portal.browser import person, signed_in
from services.portal.components import components
from services.portal.domain.exchange import Exchange
from services.portal.panels import Panel, panel

pages = Blueprint("calls", __name__)
PATH = "/portal/developers/calls"
OUTCOMES = ("answered", "declined", "refused", "failed")
SERVICES = ("identity", "registers", "notify", "gateway")
_TRACE, _EXCHANGE = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{24}")


@pages.get(PATH)
@signed_in
def list_calls() -> str:
    """Show the latest calls of the person's own programs."""
    apps = _apps()
    mine = apps.value or []
    app, service = _chosen("app", [one.id for one in mine]), _chosen("service", SERVICES)
    outcome = _chosen("outcome", OUTCOMES)
    asked = [one for one in mine if app in ("", one.id)]
    log = components().exchanges

    def fetch() -> list[Exchange]:
        return own_calls.read(log, asked, service=service, outcome=outcome)

    return render_template(
        "own_calls.html",
        apps=apps,
        calls=panel(fetch),
        names={one.id: one.names for one in mine},
        filters={"app": app, "service": service, "outcome": outcome},
        services=SERVICES,
        outcomes=OUTCOMES,
    )


@pages.get(f"{PATH}/<exchange>")
@signed_in
def show_own_call(exchange: str) -> str:
    """Show one call of an own program, and how to send it again."""
    trace = request.args.get("trace", "")
    if not (_EXCHANGE.fullmatch(exchange) and _TRACE.fullmatch(trace)):
        raise _nothing()
    apps, log = _apps(), components().exchanges
    found = panel(lambda: own_calls.find(log, apps.value or [], exchange, trace))
    trouble = apps if apps.trouble else found
    if found.value is None and not trouble.trouble:
        raise _nothing()
    one, raw = found.value or (None, {})
    public_url = components().settings.public_url
    return render_template(
        "own_call.html",
        trouble=trouble,
        one=one,
        raw=json.dumps(raw, indent=2, ensure_ascii=False),
        repeat=own_calls.to_repeat(raw, public_url) if one else None,
    )


def _apps() -> Panel[list[App]]:
    """Ask identity, as the person, which programs are theirs."""
    who, found = person(), components()

    def fetch() -> list[App]:
        token = found.sessions.token(who, "identity", APPS)
        return AppsClient(found.corridor, token).mine()[0]

    return panel(fetch)


def _chosen(name: str, known: tuple[str, ...] | list[str]) -> str:
    given = request.args.get(name, "")
    return given if given in known else ""


def _nothing() -> NotFound:
    return NotFound("There is no such call of your programs. The last ones are one page up.")
