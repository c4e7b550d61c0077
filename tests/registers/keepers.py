"""People who keep a register and who look at what they propose."""

import json
from typing import Any

from werkzeug.test import TestResponse

from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller, as_forwarded

DRAFT: dict[str, Any] = {
    "id": "reef",
    "title": {"en": "Reefs", "dv": "ފަރުތައް"},
    "description": {"en": "Reefs of the demonstration."},
    "fields": [
        {"id": "reef"},
        {"id": "name", "title": {"en": "Name"}},
        {"id": "island", "datatype": "curie", "register": "island"},
        {"id": "depth-m", "datatype": "integer", "description": {"en": "Depth in metres."}},
    ],
}
GOVERNANCE = {
    "owner": "Ministry of Reefs (demonstration)",
    "custodian": "Reef Office (demonstration)",
    "legal-basis": "None: a demonstration",
    "classification": "open",
    "licence": "MIT",
    "retention": "For good",
    "update-frequency": "monthly",
}


class Keeper:
    """One person or program with roles for a register."""

    def __init__(self, caller: Caller, name: str, *roles: str, register: str = "reef") -> None:
        self.caller, self.register, self._count = caller, register, 0
        self.name = name
        self.headers = caller.issuer.headers(
            "registers",
            "registers.append",
            subject=name,
            client_id=f"app-of-{name}",
            roles=[f"registers:{role}:{register}" for role in roles],
        )

    def get(self, path: str) -> TestResponse:
        return self.caller.get(f"/registers/{self.register}{path}", self.headers)

    def post(
        self, path: str, body: Any, *, key: str | None = None, register: str | None = None,
        **headers: str,
    ) -> TestResponse:  # fmt: skip
        self._count += 1
        path = f"/registers{path}" if register == "" else f"/registers/{self.register}{path}"
        every = {
            "Atoll-Gateway-Key": GATEWAY_KEY,
            "Content-Type": "application/json",
            "Idempotency-Key": key or f"{self.name}-{self._count}",
            **self.headers,
            **as_forwarded(path),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.caller.client.post(path, data=json.dumps(body), headers=every)

    def create(self, **changes: Any) -> TestResponse:
        return self.post("", {**DRAFT, **changes}, register="")

    def publish(self) -> None:
        """Create, describe and publish the register."""
        for response in (
            self.create(),
            self.post("/governance", {"governance": GOVERNANCE}),
            self.post("/status", {"status": "published"}),
        ):
            assert response.status_code in (200, 201), response.text

    def append(self, item: Any, **more: Any) -> TestResponse:
        return self.post("/entries", {"item": item, **more})


def slug(response: TestResponse) -> str:
    return str(response.get_json()["type"]).rpartition("/")[2]
