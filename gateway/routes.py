"""The gateway's own API: reset, and the health of the whole platform."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify

from gateway import start_state, storage
from gateway.exchanges.book import Book
from gateway.health import Health
from gateway.rules import Rules
from gateway.settings import Settings
from gateway.teaching import OPERATE, TEACH
from gateway.upstreams import Upstreams
from servicekit.access import scope, token
from servicekit.problems import BadGateway, InsufficientScope, Problem, Unavailable

logger = logging.getLogger(__name__)
RESET_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Own:
    """What the gateway's own API works with."""

    log: Book
    health: Health
    upstreams: Upstreams
    rules: Rules
    settings: Settings


def ready(own: Own) -> dict[str, Any]:
    """Return the state of every component; raise Unavailable unless all are ready."""
    components = own.health.components()
    if not own.log.writer.works:
        raise Unavailable("The exchange log cannot be written.", components=components)
    if waiting := sorted(name for name, state in own.health.states.items() if state != "ready"):
        raise Unavailable(f"Not ready yet: {', '.join(waiting)}.", components=components)
    return {"components": components, "feed": own.log.feed.freshness()}


def blueprint(own: Own) -> Blueprint:
    """Return the views."""
    views = Blueprint("gateway", __name__)

    @views.post("/operate/reset")
    @scope(OPERATE, TEACH)
    def reset() -> Response:
        if not (own.rules.faults.is_demonstration or OPERATE in token().scopes):
            raise InsufficientScope(OPERATE)
        done = own.upstreams.wait_for(_reset_services(own.upstreams), RESET_TIMEOUT_S + 2)
        if failed := sorted(name for name, fault in done.items() if fault):
            raise BadGateway(
                f"Not everything went back to its start state: {', '.join(failed)} failed. "
                "Look at its log, then reset again.",
                reset=sorted(set(done) - set(failed)),
                failed={name: done[name] for name in failed},
            )
        own.log.writer.flush()
        now_ms = int(own.log.clock.now().timestamp() * 1000)
        with own.log.database.transaction() as session:
            storage.erase(session, "reset to the start state", now_ms)
            storage.drop_faults(session)
            storage.empty_directory(session)
            start_state.load(session, own.settings)
        own.rules.refresh()
        own.upstreams.wait_for(own.log.feed.poll(), 5)
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
