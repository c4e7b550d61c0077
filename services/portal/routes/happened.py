"""What just happened: the last exchanges as a sequence diagram, live or step by step."""

import re

from flask import Blueprint, Response, render_template, request

from servicekit import access
from services.portal.components import components
from services.portal.domain.exchange import story
from services.portal.live import fragment
from services.portal.panels import panel
from services.portal.telling import sequence_picture

pages = Blueprint("happened", __name__)
_TRACE = re.compile(r"[0-9a-f]{32}")
_SHOWN, _SHOWN_OF_ONE = 10, 50


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


def _view() -> dict[str, object]:
    trace = request.args.get("trace", "")
    trace = trace if _TRACE.fullmatch(trace) else ""
    everything = request.args.get("all") == "1"
    log = panel(lambda: components().exchanges.latest(trace=trace or None, limit=50))
    told = story((log.value.exchanges if log.value else None) or [], everything=everything)
    told = told[-_SHOWN_OF_ONE:] if trace else told[-_SHOWN:]
    count = len(told)
    step = _step(request.args.get("step", ""), count) if trace else 0
    presenting = request.args.get("present") == "1"
    drawn = sequence_picture(told, step) if told else ""
    told = told[:step] if step else told
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
        "query": _query(trace=trace, all="1" * everything, present="1" * presenting),
        "beside": _query(trace=trace, all="1" * everything, present="1" * (not presenting)),
    }


def _query(**given: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _step(given: str, count: int) -> int:
    """Return which call is the present one, from 1 to ``count``; 0 shows them all."""
    if not (given.isascii() and given.isdecimal() and len(given) < 6):
        return 0
    return max(1, min(int(given), count)) if count else 0
