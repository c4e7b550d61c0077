"""One log entry as its readers get it, with names, captions and times that people read."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.captions import Facts, caption
from gateway.exchanges.seal import Seal
from gateway.purposes import Purposes
from gateway.routing import Route, RouteTable

_READS = ("GET", "HEAD")
NameOf = Callable[[str], Mapping[str, str]]


class Listing:
    """Turns stored entries into the members of ``GET /exchanges``."""

    def __init__(self, routes: RouteTable, purposes: Purposes, name_of: NameOf, seal: Seal) -> None:
        self._table, self._of = routes, routes.routes
        self._routes = _by_address(routes)
        self._purposes, self._name_of, self._seal = purposes, name_of, seal

    def show(self, row: Mapping[str, Any], *, with_subject: bool) -> dict[str, Any]:
        """Return one entry for JSON; the subject only to the person it is about.

        hidden_until: to readers of everything, when the person will see an entry that the law
        (its purpose) keeps from them for now.
        """
        caller = row["caller"]
        name = self._name_of(caller) if caller else None
        purpose = self._purposes.get(row["purpose"] or "")
        if self._of is not self._table.routes:  # the table was read again
            self._of, self._routes = self._table.routes, _by_address(self._table)
        route = self._routes.get((row["route"], row["method"]))
        shown = {
            "exchange": row["exchange"],
            "number": row["number"],
            "at": time_of(row["at_ms"]),
            "trace": row["trace"],
            "caller": {"client_id": caller, "name": dict(name)} if name else None,
            "role": row["role"],
            "service": row["service"],
            "method": row["method"],
            "route": row["route"],
            "parameters": row["parameters"],
            "personal": row["personal"],
            "purpose": {"code": purpose.code, "title": dict(purpose.title)} if purpose else None,
            "basis": row["basis"],
            "categories": row["categories"],
            "status": row["status"],
            "outcome": row["outcome"],
            "reason": row["reason"],
            "sentence": row["sentence"],
            "duration_us": row["duration_us"],
            "size_bytes": row["size_bytes"],
            "caption": caption(
                Facts(
                    service=row["service"],
                    outcome=row["outcome"],
                    status=row["status"],
                    caller=name,
                    says=route.says if route else None,
                    parameters=row["parameters"],
                    public_data=row["service"] == "registers" and row["method"] in _READS,
                    basis=row["basis"],
                    purpose=purpose.title if purpose else None,
                    sentence=row["sentence"],
                )
            ),
        }
        if with_subject and row["subject_sealed"]:
            shown["subject"] = self._seal.open(row["subject_sealed"], row["exchange"])
            shown["consent"] = row["consent"]
        if not with_subject and row["disclose_at_ms"]:
            shown["hidden_until"] = time_of(row["disclose_at_ms"])
        return shown


def _by_address(table: RouteTable) -> dict[tuple[str, str], Route]:
    return {(route.path, method): route for route in table.routes for method in route.allow}


def time_of(at_ms: int) -> str:
    """Write a moment (Unix time in milliseconds) as RFC 3339."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
