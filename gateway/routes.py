"""The gateway's own API: the exchange log, reset, and the health of the whole platform."""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request

from gateway import storage
from gateway.consents import Feed
from gateway.exchanges.listing import Listing
from gateway.exchanges.seal import Seal
from gateway.exchanges.writer import Writer
from gateway.health import Health
from gateway.upstreams import Upstreams
from servicekit.access import scope, token
from servicekit.database import Database
from servicekit.problems import BadGateway, Malformed, Problem, Unavailable

logger = logging.getLogger(__name__)
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
RESET_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Own:
    """What the gateway's own API works with."""

    database: Database
    seal: Seal
    listing: Listing
    log: Writer
    feed: Feed
    health: Health
    upstreams: Upstreams


def ready(own: Own) -> dict[str, Any]:
    """Return the state of every component; raise Unavailable unless all are ready."""
    components = own.health.components()
    if not own.log.works:
        raise Unavailable("The exchange log cannot be written.", components=components)
    if waiting := sorted(name for name, state in own.health.states.items() if state != "ready"):
        raise Unavailable(f"Not ready yet: {', '.join(waiting)}.", components=components)
    return {"components": components}


def blueprint(own: Own) -> Blueprint:
    """Return the views."""
    views = Blueprint("gateway", __name__)

    @views.get("/exchanges")
    @scope("exchanges.overview", "exchanges.own")
    def exchanges() -> Response:
        reader = token()
        sees_all = "exchanges.overview" in reader.scopes
        subject_index = None if sees_all else own.seal.index(reader.subject)
        limit = _number("limit", DEFAULT_LIMIT, at_least=1)
        filters: dict[str, Any] = {
            name: request.args[name]
            for name in ("trace", "caller", "service")
            if name in request.args
        }
        before, after = _number("before"), _number("after")
        if own.log.works:
            own.log.flush(timeout_s=1)  # whoever asks sees every call that was answered before
        with own.database.snapshot() as session:
            last = storage.last_number(session)
            seen = (last, own.feed.version, request.query_string, subject_index)
            etag = hashlib.sha256(repr(seen).encode()).hexdigest()[:32]
            if etag in request.if_none_match:
                response = Response(status=304)
                response.set_etag(etag)
                return response
            rows = storage.list_exchanges(
                session,
                limit=min(limit or DEFAULT_LIMIT, MAX_LIMIT),
                before=before,
                after=after,
                subject_index=subject_index,
                **filters,
            )
        more = len(rows) == min(limit or DEFAULT_LIMIT, MAX_LIMIT)
        response = jsonify(
            exchanges=[own.listing.show(row, with_subject=not sees_all) for row in rows],
            next=rows[-1]["number"] if rows and more else None,
        )
        response.headers["Cache-Control"] = "private, no-cache"
        response.set_etag(etag)
        return response

    @views.post("/operate/reset")
    @scope("platform.operate")
    def reset() -> Response:
        done = own.upstreams.wait_for(_reset_services(own.upstreams), RESET_TIMEOUT_S + 2)
        if failed := sorted(name for name, fault in done.items() if fault):
            raise BadGateway(
                f"Not everything went back to its start state: {', '.join(failed)} failed. "
                "Look at its log, then reset again.",
                reset=sorted(set(done) - set(failed)),
                failed={name: done[name] for name in failed},
            )
        own.log.flush()
        with own.database.transaction() as session:
            storage.clear_exchanges(session)
        own.upstreams.wait_for(own.feed.poll(), 5)
        return jsonify(reset=[*sorted(done), "gateway"])

    return views


async def _reset_services(upstreams: Upstreams) -> dict[str, str | None]:
    """Ask every service to go back to its start state; return each one's fault, if any."""

    async def one(name: str) -> tuple[str, str | None]:
        try:
            status, _ = await upstreams.call(
                name, "POST", f"/{name}/operate/reset", timeout_s=RESET_TIMEOUT_S
            )
        except Problem as problem:
            return name, problem.detail
        return name, None if status == 204 else f"{name} answered {status}."

    return dict(await asyncio.gather(*(one(name) for name in upstreams)))


def _number(name: str, default: int | None = None, *, at_least: int = 0) -> int | None:
    """Read a whole number from the query; raise Malformed for anything else."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) < at_least:
        raise Malformed(f"{name} must be a whole number of at least {at_least}.")
    return int(text)
