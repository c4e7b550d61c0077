"""The gateway's directory and levers, as the fake platform plays them."""

import json
from typing import Any

APIS = [
    {
        "name": name,
        "title": {"en": name.title(), "dv": "ނަން"},
        "owner": {"en": "Registers Office", "dv": "އޮފީސް"},
        "contact": "registers@platform.example",
        "openapi": f"/{name}/openapi.json",
        "about": {"en": "Lists.", "dv": "ލިސްޓު."},
        "audience": f"urn:atoll:{name}",
        "state": "ready",
        "maintenance": False,
        "deprecated": False,
        "needs_agreement": name != "gateway",
        "open": True,
    }
    for name in ("gateway", "registers")
]


def agreement(**changes: Any) -> dict[str, Any]:
    return {
        "id": "start:fisheries:registers",
        "client": {"client_id": "fisheries", "name": {"en": "Fisheries Department", "dv": "މަސް"}},
        "service": "registers",
        "kind": "agreement",
        "legal_basis": {"en": "Licensing Act (made up), section 4", "dv": "ޤާނޫނު"},
        "since": "2026-01-01",
        "until": None,
        "state": "in-force",
        "plan": "standard",
        "made_at": "2026-01-01T00:00:00Z",
        "made_by": "operator",
        "ended_at": None,
        "ended_because": None,
        "last_call": "2026-03-01T00:00:00Z",
        "unused": False,
    } | changes


class Steering:
    """Remembers which levers were pulled."""

    def __init__(self) -> None:
        self.agreements = [agreement()]
        self.faults: dict[str, dict[str, Any]] = {}
        self.providers = {
            name: {"mode": "ok", "taken": 3, "refused": 0} for name in ("coral", "reef")
        }
        self.tampered: list[str] = []
        self.resets = 0
        self.refuses: str | None = None

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes | None) -> Any:
        sent = json.loads(body) if body else {}
        if self.refuses and method != "GET":
            return 422, {"detail": self.refuses}
        match method, path:
            case "GET", "/directory/apis":
                return 200, {"apis": APIS}
            case "GET", "/directory/agreements":
                return 200, {"agreements": self.agreements, "unused_after_days": 90}
            case "POST", "/operate/faults":
                self.faults[sent["service"]] = sent | {"until": "2126-03-01T00:00:00Z"}
            case "DELETE", "/operate/faults":
                self.faults.pop(query["service"], None)
            case "POST", "/operate/providers":
                self.providers[sent["provider"]]["mode"] = sent["mode"]
            case "POST", "/operate/tamper":
                self.tampered.append(sent["register"])
                return 200, {"register": sent["register"], "entry-number": 57, "field": "name"}
            case "DELETE", "/operate/tamper":
                self.tampered.clear()
            case "POST", "/operate/reset":
                self.resets += 1
        return 200, {"faults": list(self.faults.values()), "providers": self.providers}
