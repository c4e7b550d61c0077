"""What just happened: the last exchanges as a sequence diagram, live, filtered or step by step."""

import json
import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, render_template, request

from servicekit import access
from servicekit.problems import NotFound
from services.portal.browser import viewer
from services.portal.components import components
from services.portal.domain.exchange import Exchange, story
from services.portal.exchanges_client import OWN, Log
from services.portal.live import fragment
from services.portal.panels import panel
from services.portal.telling import caller_name, sequence_picture

pages = Blueprint("happened", __name__)
_TRACE, _EXCHANGE = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{24}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN, _SHOWN_OF_ONE = 10, 50
SERVICES = ("identity", "registers", "notify", "gateway")


@pages.get("/portal/happened")
@access.public
def happened() -> str:
    """Show the last exchanges, or those of one trace, or its calls up to one step."""
    view = _view()
    return render_template("step.html" if view["step"] else "happened.html", **view)


@pages.get("/portal/live/happened")
@access.public
def live_happened() -> Response:
    """Answer the diagram alone, for the page that polls it."""
    return fragment(render_template("_sequence.html", **_view()))


@pages.get("/portal/happened/<exchange>")
@access.public
def one_call(exchange: str) -> str:
    """Show one call as the gateway recorded it, with the proof that the log holds it."""
    trace = request.args.get("trace", "")
    if not (_EXCHANGE.fullmatch(exchange) and _TRACE.fullmatch(trace)):
        raise NotFound("There is no such call. The last ones are at /portal/happened.")
    log = components().exchanges
    found = panel(lambda: log.record(exchange, trace))
    if found.value is None and not found.trouble:
        raise NotFound("There is no such call. The last ones are at /portal/happened.")
    one, raw = found.value or (None, {})
    return render_template(
        "call.html",
        found=found,
        one=one,
        raw=json.dumps(raw, indent=2, ensure_ascii=False),
        proof=panel(lambda: log.proof(exchange)) if one else None,
        trace=trace,
    )


def _view() -> dict[str, object]:
    trace = _given("trace", _TRACE)
    service, caller = _given("service", _NAME), _given("caller", _NAME)
    mine = request.args.get("mine") == "1" and viewer() is not None
    everything = request.args.get("all") == "1"
    presenting = request.args.get("present") == "1"
    log = panel(_fetching(trace=trace, service=service, caller=caller, mine=mine))
    told = story((log.value.exchanges if log.value else None) or [], everything=everything)
    told = told[-_SHOWN_OF_ONE:] if trace else told[-_SHOWN:]
    count = len(told)
    step = _step(request.args.get("step", ""), count) if trace else 0
    drawn = sequence_picture(told, step) if told else ""
    told = told[:step] if step else told
    given = {
        "trace": trace,
        "service": service,
        "caller": caller,
        "mine": "1" * mine,
        "all": "1" * everything,
        "present": "1" * presenting,
    }
    return {
        "step": step,
        "count": count,
        "log": log,
        "exchanges": told,
        "picture": drawn,
        "personal": [e for e in told if e.personal],
        "refused": [e for e in told if e.outcome != "answered"] if trace else [],
        "trace": trace,
        "everything": everything,
        "presenting": presenting,
        "filters": {"service": service, "caller": caller, "mine": mine},
        "callers": _callers(told),
        "services": SERVICES,
        "query": _query(**given),
        "beside": _query(**given | {"present": "1" * (not presenting)}),
    }


def _fetching(*, trace: str, service: str, caller: str, mine: bool) -> Callable[[], Log]:
    log, who = components().exchanges, viewer()
    if mine and who is not None:
        person = who

        def fetch_own() -> Log:
            token = components().sessions.token(person, "gateway", OWN)
            return Log(log.own(token)[0], "")

        return fetch_own
    return lambda: log.latest(
        trace=trace or None, service=service or None, caller=caller or None, limit=50
    )


def _callers(told: list[Exchange]) -> dict[str, str]:
    return {one.caller: caller_name(one) for one in told if one.caller}


def _given(name: str, form: re.Pattern[str]) -> str:
    value = request.args.get(name, "")
    return value if form.fullmatch(value) else ""


def _query(**given: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}


def _step(given: str, count: int) -> int:
    """Return which call is the present one, from 1 to ``count``; 0 shows them all."""
    if not (given.isascii() and given.isdecimal() and len(given) < 6):
        return 0
    return max(1, min(int(given), count)) if count else 0
