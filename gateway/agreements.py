"""The directory over HTTP: every API with its owner and state, agreements, and plans."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from gateway import storage
from gateway.directory import OPEN_DATA, Directory, milliseconds, state
from gateway.exchanges.book import Book
from gateway.health import Health
from gateway.limits.plans import PLANS, TRIAL
from gateway.policy import MALDIVES
from gateway.routing import RouteTable
from gateway.storage import Agreement
from servicekit import access
from servicekit.access import scope
from servicekit.clock import timestamp
from servicekit.problems import Conflict, Invalid, NotFound
from servicekit.schema import json_body

APIS = Path(__file__).parent / "apis.yaml"
OVERVIEW, OPERATE = "exchanges.overview", "platform.operate"
CLIENT_ID = {"type": "string", "pattern": r"^[A-Za-z0-9._~-]{1,255}$"}
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
BASIS = {
    "type": "object",
    "required": ["en"],
    "properties": {
        "en": {"type": "string", "minLength": 1, "maxLength": 1000},
        "dv": {"type": "string", "minLength": 1, "maxLength": 1000},
    },
    "additionalProperties": False,
}
NEW = {
    "type": "object",
    "required": ["client_id", "service", "legal_basis"],
    "properties": {
        "client_id": CLIENT_ID,
        "service": {"type": "string", "maxLength": 64},
        "legal_basis": BASIS,
        "since": DAY,
        "until": {"oneOf": [DAY, {"type": "null"}]},
    },
    "additionalProperties": False,
}
CHANGE = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "legal_basis": BASIS,
        "until": {"oneOf": [DAY, {"type": "null"}]},
        "end": {
            "type": "object",
            "required": ["reason"],
            "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 1000}},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
PLAN = {
    "type": "object",
    "required": ["plan"],
    "properties": {"plan": {"enum": list(PLANS)}},
    "additionalProperties": False,
}


class AgreementExists(Conflict):
    """The client has an agreement for this service already, for some of these days."""

    slug, title = "agreement-exists", "There is an agreement already"


class AgreementEnded(Conflict):
    """An agreement that has ended stays as it was; a new one can be made."""

    slug, title = "agreement-ended", "The agreement has ended"


@dataclass(frozen=True)
class Office:
    """What the directory's views work with."""

    log: Book
    directory: Directory
    health: Health
    routes: RouteTable
    unused_days: int


def blueprint(office: Office) -> Blueprint:
    """Return the views."""
    views = Blueprint("directory", __name__)
    apis: dict[str, Any] = yaml.safe_load(APIS.read_text(encoding="utf-8"))

    @views.get("/directory/apis")
    @access.public
    def list_apis() -> Response:
        return jsonify(apis=[_api(office, name, line) for name, line in apis.items()])

    @views.get("/directory/agreements")
    @scope(OVERVIEW, OPERATE)
    def list_agreements() -> Response:
        wanted = {name: request.args.get(name) for name in ("client_id", "service")}
        with office.log.database.snapshot() as session:
            found = [
                one
                for one in storage.all_agreements(session)
                if all(value in (None, getattr(one, name)) for name, value in wanted.items())
            ]
            shown = _shown(office, session, found)
        return jsonify(agreements=shown, unused_after_days=office.unused_days)

    @views.post("/directory/agreements")
    @scope(OPERATE)
    def add() -> tuple[Response, int, dict[str, str]]:
        body = json_body(NEW)
        agreement = _new(office, body)
        with office.log.database.transaction() as session:
            _check_free(session, agreement)
            row = storage.add_agreement(session, agreement)
            [shown] = _shown(office, session, [row])
        office.directory.read()
        return jsonify(shown), 201, {"Location": f"/directory/agreements/{row.id}"}

    @views.get("/directory/agreements/<identifier>")
    @scope(OVERVIEW, OPERATE)
    def show(identifier: str) -> Response:
        with office.log.database.snapshot() as session:
            [shown] = _shown(office, session, [_found(session, identifier)])
        return jsonify(shown)

    @views.patch("/directory/agreements/<identifier>")
    @scope(OPERATE)
    def change(identifier: str) -> Response:
        body = json_body(CHANGE)
        with office.log.database.transaction() as session:
            row = _found(session, identifier)
            _change(office, row, body)
            session.flush()
            [shown] = _shown(office, session, [row])
        office.directory.read()
        return jsonify(shown)

    @views.get("/directory/plans")
    @scope(OVERVIEW, OPERATE)
    def list_plans() -> Response:
        with office.log.database.snapshot() as session:
            found = storage.all_plans(session)
        plans = [{"client_id": one, "plan": plan} for one, plan in sorted(found.items())]
        return jsonify(plans=plans, ordinary=TRIAL)

    @views.put("/directory/plans/<client_id>")
    @scope(OPERATE)
    def set_plan(client_id: str) -> Response:
        plan = json_body(PLAN)["plan"]
        if len(client_id) > 255 or not client_id.isprintable():
            raise NotFound("No client has such an id.")
        with office.log.database.transaction() as session:
            storage.keep_plan(session, client_id, plan)
        office.directory.read()
        return jsonify(client_id=client_id, plan=plan)

    return views


def _api(office: Office, name: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return one API: who owns it, where it is described, and how it is doing."""
    routes = [route for route in office.routes.routes if route.service == name]
    known = office.health.states.get(name, "ready" if name == "gateway" else "down")
    return {
        "name": name,
        **line,
        "audience": f"urn:atoll:{name}",
        "state": known,
        "maintenance": any(route.maintenance for route in routes),
        "deprecated": any(route.deprecation or route.sunset for route in routes),
        "needs_agreement": name != "gateway" and any(route.auth == "token" for route in routes),
        "open": any(route.auth in ("none", "optional") and route.cors for route in routes),
    }


def _found(session: Session, identifier: str) -> Agreement:
    row = storage.find_agreement(session, identifier)
    if row is None:
        raise NotFound("The directory has no agreement with this id.")
    return row


def _new(office: Office, body: Mapping[str, Any]) -> dict[str, Any]:
    now = office.log.clock.now()
    since = _day(body.get("since"), "/since") or now.astimezone(MALDIVES).date()
    until = _day(body.get("until"), "/until")
    if body["service"] not in office.log.services:
        names = ", ".join(sorted(office.log.services))
        raise _faulty("/service", f"service is one of {names}")
    if until is not None and until < since:
        raise _faulty("/until", "until is before since")
    return {
        "id": secrets.token_urlsafe(9),
        "client_id": body["client_id"],
        "service": body["service"],
        "kind": "agreement",
        "legal_basis": _texts(body["legal_basis"]),
        "since": since,
        "until": until,
        "made_at_ms": milliseconds(now),
        "made_by": access.token().client_id,
    }


def _check_free(session: Session, new: Mapping[str, Any]) -> None:
    """Refuse a second agreement for the same days; open data beside another is no contradiction."""
    for one in storage.all_agreements(session):
        if (one.client_id, one.service) != (new["client_id"], new["service"]):
            continue
        if one.ended_at_ms is not None or one.kind == OPEN_DATA:
            continue
        apart = (one.until is not None and one.until < new["since"]) or (
            new["until"] is not None and new["until"] < one.since
        )
        if not apart:
            raise AgreementExists(
                f"{one.client_id} has the agreement {one.id} for {one.service} in these days. "
                "Nothing was changed. Change that one, or end it first."
            )


def _change(office: Office, row: Agreement, body: Mapping[str, Any]) -> None:
    now = office.log.clock.now()
    if state(row, now) == "ended":
        raise AgreementEnded("This agreement has ended and stays as it was. Make a new one.")
    if "legal_basis" in body:
        row.legal_basis = _texts(body["legal_basis"])
    if "until" in body:
        until = _day(body["until"], "/until")
        if until is not None and until < row.since:
            raise _faulty("/until", "until is before since")
        row.until = until
    if "end" in body:
        row.ended_at_ms, row.ended_by = milliseconds(now), access.token().client_id
        row.ended_because = body["end"]["reason"]


def _shown(office: Office, session: Session, rows: list[Agreement]) -> list[dict[str, Any]]:
    """Return agreements for JSON, with the last call of each, as the log tells."""
    now = office.log.clock.now()
    last = storage.last_calls(session, {(row.client_id, row.service) for row in rows})
    return [_one(office, row, last[row.client_id, row.service], now) for row in rows]


def _one(office: Office, row: Agreement, last_ms: int | None, now: datetime) -> dict[str, Any]:
    standing, idle_since = state(row, now), max(last_ms or 0, row.made_at_ms)
    name = office.log.feed.name_of(row.client_id)
    in_use_after = milliseconds(now - timedelta(days=office.unused_days))
    return {
        "id": row.id,
        "client": {"client_id": row.client_id, "name": dict(name)},
        "service": row.service,
        "kind": row.kind,
        "legal_basis": row.legal_basis,
        "since": row.since.isoformat(),
        "until": row.until.isoformat() if row.until else None,
        "state": standing,
        "plan": office.directory.plan_of(row.client_id) or TRIAL,
        "made_at": _time(row.made_at_ms),
        "made_by": row.made_by,
        "ended_at": _time(row.ended_at_ms),
        "ended_because": row.ended_because,
        "last_call": _time(last_ms),
        "unused": standing == "in-force" and idle_since < in_use_after,
    }


def _texts(given: Mapping[str, str]) -> dict[str, str]:
    return {"en": given["en"], "dv": given.get("dv", given["en"])}


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else timestamp(datetime.fromtimestamp(at_ms / 1000, UTC))


def _day(text: str | None, pointer: str) -> date | None:
    try:
        day = None if text is None else date.fromisoformat(text)
    except ValueError:
        raise _faulty(pointer, "there is no such day; write it as 2026-12-31") from None
    if day is not None and not 2000 <= day.year <= 2200:
        raise _faulty(pointer, "the year is not between 2000 and 2200")
    return day


def _faulty(pointer: str, detail: str) -> Invalid:
    return Invalid("Nothing was changed.", errors=[{"detail": detail, "pointer": pointer}])
