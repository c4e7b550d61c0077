"""The gateway's directory and the instructor's levers, as the portal uses them."""

from collections.abc import Mapping
from typing import Any

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, rows

_SERVICE, _OVERVIEW, _TEACH = "gateway", "exchanges.overview", "platform.teach"
RESET_S = 20.0


class DirectoryClient:
    """Reads which APIs there are, and which client may call which of them."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def apis(self) -> list[Mapping[str, Any]]:
        """Return every API."""
        return rows(members(json_of(self._corridor.send("GET", "/directory/apis"))).get("apis"))

    def agreements(self) -> Mapping[str, Any]:
        """Return all agreements, and after how many days one counts as unused."""
        answer = self._corridor.call(
            "GET", "/directory/agreements", service=_SERVICE, scope=_OVERVIEW
        )
        return members(json_of(answer))


class Levers:
    """Pulls the instructor's levers and lets them go, with a token that can do nothing else."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def faults(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the levers at the door that are pulled, by service."""
        found = rows(members(self._ask("GET", "/operate/faults")).get("faults"))
        return {str(one.get("service")): one for one in found}

    def pull(self, service: str, kind: str, delay_ms: int) -> None:
        """Stop, slow down or break one service at the door."""
        body: dict[str, Any] = {"service": service, "kind": kind}
        self._ask("POST", "/operate/faults", body | ({"delay_ms": delay_ms} if delay_ms else {}))

    def let_go(self, service: str) -> None:
        """Let one service be well again."""
        self._ask("DELETE", "/operate/faults", params={"service": service})

    def providers(self) -> Mapping[str, Mapping[str, Any]]:
        """Return how each simulated provider of texts behaves."""
        found = members(members(self._ask("GET", "/operate/providers")).get("providers"))
        return {name: members(one) for name, one in found.items()}

    def tell_provider(self, name: str, mode: str) -> None:
        """Tell one provider how to behave."""
        self._ask("POST", "/operate/providers", {"provider": name, "mode": mode})

    def tamper(self, register: str) -> Mapping[str, Any]:
        """Change the newest row of a register behind its back; return which."""
        return members(self._ask("POST", "/operate/tamper", {"register": register}))

    def put_back(self) -> None:
        """Put back every row that was changed."""
        self._ask("DELETE", "/operate/tamper")

    def reset(self) -> None:
        """Put the whole platform back to its start state."""
        self._ask("POST", "/operate/reset", timeout=RESET_S)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        if body is not None:
            options["json"] = body
        answer = self._corridor.call(method, path, service=_SERVICE, scope=_TEACH, **options)
        return json_of(answer)
