"""The gateway as the portal reads it: its log of exchanges and the health of every component."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.outbound import Corridor
from servicekit.problems import Unavailable
from services.portal.answers import json_of, members, number, optional_text, rows, text, words
from services.portal.domain.exchange import Exchange

_SERVICE, OVERVIEW, OWN = "gateway", "exchanges.overview", "exchanges.own"


@dataclass(frozen=True)
class Log:
    """Some exchanges and the tag to ask with next time; None when nothing is new."""

    exchanges: list[Exchange] | None
    etag: str


class ExchangesClient:
    """Reads the gateway's own API."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def latest(self, *, limit: int = 50, etag: str = "", **filters: str | None) -> Log:
        """Return the latest exchanges; none when the tag is still right.

        filters: trace, caller, service; None is left out.
        """
        query = {"limit": str(limit)} | {name: v for name, v in filters.items() if v}
        answer = self._corridor.call(
            "GET",
            "/exchanges",
            service=_SERVICE,
            scope=OVERVIEW,
            params=query,
            headers={"If-None-Match": etag} if etag else {},
        )
        tag = answer.headers.get("ETag", "")
        if answer.status_code == 304:
            return Log(None, tag or etag)
        return Log(_exchanges(json_of(answer)), tag)

    def record(self, exchange: str, trace: str) -> tuple[Exchange, Mapping[str, Any]] | None:
        """Return one exchange of a trace, and the same as the gateway gave it."""
        answer = self._corridor.call(
            "GET",
            "/exchanges",
            service=_SERVICE,
            scope=OVERVIEW,
            params={"limit": "200", "trace": trace},
        )
        for one in rows(members(json_of(answer)).get("exchanges")):
            if one.get("exchange") == exchange:
                return _exchange(one), one
        return None

    def proof(self, exchange: str) -> Mapping[str, Any]:
        """Return the proof that the log holds an exchange: leaf, path and signed checkpoint."""
        answer = self._corridor.call(
            "GET", f"/exchanges/{exchange}/proof", service=_SERVICE, scope=OVERVIEW
        )
        return members(json_of(answer))

    def own(self, token: str, *, before: str | None = None) -> tuple[list[Exchange], str | None]:
        """Return a person's own exchanges, newest first, and where the next page begins."""
        answer = self._corridor.call(
            "GET",
            "/exchanges",
            service=_SERVICE,
            scope=OWN,
            token=token,
            params={"limit": "50"} | ({"before": before} if before else {}),
        )
        document = json_of(answer)
        return _exchanges(document), optional_text(members(document).get("next"))

    def readiness(self) -> Mapping[str, Any]:
        """Return the gateway's own report: components with their instances, and its feed."""
        try:
            return members(json_of(self._corridor.send("GET", "/readyz")))
        except Unavailable as not_ready:  # its body still says who is
            if "components" not in not_ready.members:
                raise
            return not_ready.members

    def health(self) -> Mapping[str, str]:
        """Return each component's state: ready, starting or down."""
        return {
            name: text(members(one).get("state")) or "down"
            for name, one in members(self.readiness().get("components")).items()
        }


def _exchanges(document: Any) -> list[Exchange]:
    return [_exchange(one) for one in rows(members(document).get("exchanges"))]


def _exchange(one: Mapping[str, Any]) -> Exchange:
    caller, purpose = members(one.get("caller")), one.get("purpose")
    categories = one.get("categories")
    return Exchange(
        id=text(one.get("exchange")),
        number=number(one.get("number")),
        at=text(one.get("at")),
        trace=text(one.get("trace")),
        caller=optional_text(caller.get("client_id")),
        caller_name=words(caller.get("name")),
        service=text(one.get("service")),
        method=text(one.get("method")),
        route=text(one.get("route")),
        personal=optional_text(one.get("personal")),
        purpose=words(purpose["title"])
        if isinstance(purpose, dict) and "title" in purpose
        else None,
        basis=optional_text(one.get("basis")),
        categories=tuple(
            c for c in (categories if isinstance(categories, list) else []) if isinstance(c, str)
        ),
        status=number(one.get("status")),
        outcome=text(one.get("outcome")),
        reason=optional_text(one.get("reason")),
        sentence=optional_text(one.get("sentence")),
        duration_us=number(one.get("duration_us")),
        size_bytes=number(one.get("size_bytes")),
        role=optional_text(one.get("role")),
        caption=words(one.get("caption")),
    )
