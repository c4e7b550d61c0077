"""Who reuses which component: the log counted by caller and service (``GET /exchanges/reuse``)."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from gateway.storage import Exchange
from servicekit.access import scope
from servicekit.clock import Clock, timestamp
from servicekit.database import Database
from servicekit.problems import Malformed

DEFAULT_DAYS, MAX_DAYS = 30, 366
# upper ends of the classes that durations are counted in, in milliseconds
CLASSES_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
ASSUMPTION = {
    "en": (
        "Without the platform every consumer would build and keep its own connection to every "
        "component: {n} × {m} = {without}. With it every consumer and every component connects "
        "once, to the gateway: {n} + {m} = {within}. That every consumer needs every component is "
        "an assumption; pairs seen in use: {seen}."
    ),
    "dv": (
        "ޕްލެޓްފޯމް ނެތްނަމަ، {n} ފަރާތުން ކޮންމެ ފަރާތަކުންވެސް {m} ބައިގެ ކޮންމެ ބަޔަކާއި ވަކިން ގުޅުން "
        "ޤާއިމުކުރަން ޖެހޭނެއެވެ: {n} × {m} = {without}. ޕްލެޓްފޯމާއެކު، ކޮންމެ ފަރާތަކާއި ކޮންމެ ބަޔަކުން ގޭޓްވޭއާ "
        "ގުޅެނީ އެންމެ ފަހަރަކުއެވެ: {n} + {m} = {within}. ކޮންމެ ފަރާތަކުން ކޮންމެ ބަޔެއް ބޭނުންކުރާނެކަމަކީ ޤަޔާސެކެވެ؛ "
        "ބޭނުންކުރިކަން ފެނިފައިވަނީ {seen} ގުޅުމެވެ."
    ),
}


def count(session: Session, *, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """Count the calls of known callers by caller and service, in one pass over the log."""
    columns = Exchange.__table__.c
    within = [
        func.sum(case((columns.duration_us < limit * 1000, 1), else_=0)).label(f"under_{limit}")
        for limit in CLASSES_MS
    ]
    outcomes = [
        func.sum(case((columns.outcome == name, 1), else_=0)).label(name)
        for name in ("answered", "declined", "refused", "failed")
    ]
    query = (
        select(
            columns.caller,
            columns.service,
            func.count().label("calls"),
            func.sum(case((columns.personal.is_not(None), 1), else_=0)).label("personal"),
            func.max(columns.at_ms).label("last_ms"),
            *outcomes,
            *within,
        )
        .where(columns.caller.is_not(None), columns.service != "gateway")
        .where(columns.at_ms >= from_ms, columns.at_ms < to_ms)
        .group_by(columns.caller, columns.service)
        .order_by(columns.caller, columns.service)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def reuse_map(
    rows: Sequence[Mapping[str, Any]], name_of: Callable[[str], Mapping[str, str]]
) -> dict[str, Any]:
    """Return consumers, components, their pairs, and the integrations that were avoided."""
    consumers = sorted({row["caller"] for row in rows})
    components = sorted({row["service"] for row in rows})
    n, m = len(consumers), len(components)
    numbers = {"n": n, "m": m, "without": n * m, "within": n + m, "seen": len(rows)}
    return {
        "consumers": [{"client_id": one, "name": dict(name_of(one))} for one in consumers],
        "components": components,
        "pairs": [_pair(row) for row in rows],
        "integrations": {
            "without_platform": n * m,
            "with_platform": n + m,
            "avoided": max(0, n * m - (n + m)),
            "assumption": {lang: text.format(**numbers) for lang, text in ASSUMPTION.items()},
        },
    }


def _pair(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one consumer's use of one component; errors are its failed calls."""
    return {
        "consumer": row["caller"],
        "component": row["service"],
        "calls": row["calls"],
        "answered": row["answered"],
        "declined": row["declined"],
        "refused": row["refused"],
        "failed": row["failed"],
        "personal": row["personal"],
        "half_under_ms": _part_under(row, 0.5),
        "most_under_ms": _part_under(row, 0.95),
        "last": timestamp(datetime.fromtimestamp(row["last_ms"] / 1000, UTC)),
    }


def _part_under(row: Mapping[str, Any], part: float) -> int | None:
    """Return the smallest class that this part of the calls stayed under; None beyond the last."""
    wanted = math.ceil(row["calls"] * part)
    return next((limit for limit in CLASSES_MS if row[f"under_{limit}"] >= wanted), None)


def blueprint(
    database: Database, name_of: Callable[[str], Mapping[str, str]], clock: Clock
) -> Blueprint:
    """Return the view."""
    views = Blueprint("reuse", __name__)

    @views.get("/exchanges/reuse")
    @scope("exchanges.overview")
    def reuse() -> Response:
        days = _days()
        until = clock.now()
        since = until - timedelta(days=days)
        with database.snapshot() as session:
            rows = count(
                session,
                from_ms=int(since.timestamp() * 1000),
                to_ms=int(until.timestamp() * 1000) + 1,
            )
        response = jsonify(
            **{"from": timestamp(since), "to": timestamp(until)}, **reuse_map(rows, name_of)
        )
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    return views


def _days() -> int:
    text = request.args.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= MAX_DAYS):
        raise Malformed(f"days must be a whole number from 1 to {MAX_DAYS}.")
    return int(text)
