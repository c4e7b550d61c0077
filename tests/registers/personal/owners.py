"""Calls to the register of owners, as the gateway passes them on."""

from typing import Any

from werkzeug.test import TestResponse

from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller

PEOPLE = {"aishath": "sub-aishath", "zeena": "sub-zeena"}
BASE = "/registers/vessel-owner"
VALUES = {"vessel": "fishing-vessel:DEMO-0002", "owner": "Aishath Demo", "since": "2026-03"}


class Owners:
    """Calls the register of owners as the gateway would after it has let a personal call pass."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def ask(
        self,
        method: str,
        path: str,
        *,
        by: str = "fisheries",
        about: str | None = "sub-aishath",
        purpose: str | None = "vessel-licence",
        sent: Any = None,
        once: str | None = None,
        roles: tuple[str, ...] = (),
        scope: str = "registers.personal registers.append",
        consent: str | None = None,
    ) -> TestResponse:
        """Call; by: a person's subject, or a client's id."""
        headers = {"Atoll-Gateway-Key": GATEWAY_KEY}
        if consent is not None:
            headers["Atoll-Consent"] = consent
        if about is not None:
            headers["Atoll-Subject"] = about
        if purpose is not None:
            headers["Atoll-Purpose"] = purpose
        if once is not None:
            headers["Idempotency-Key"] = once
        client = {"client_id": "portal"} if by.startswith("sub-") else {"client_id": by}
        headers |= self.caller.issuer.headers(
            "registers", scope, roles=list(roles), subject=by, **client
        )
        return self.caller.client.open(
            path if path.startswith("/") else f"{BASE}/{path}",
            method=method,
            headers=headers,
            **({} if sent is None else {"json": sent}),
        )

    def own(self, method: str, path: str, by: str = "sub-aishath", **given: Any) -> TestResponse:
        """Call as a person about themselves."""
        return self.ask(method, path, by=by, about=by, purpose="own-data", **given)

    def keep(self, method: str, path: str, once: str | None = "k-1", **given: Any) -> TestResponse:
        """Call as the custodian."""
        roles = ("registers:custodian:vessel-owner",)
        return self.ask(method, path, once=once, roles=roles, **given)

    def record(self) -> dict[str, Any]:
        """Return Aishath's first record, as she sees it."""
        found: dict[str, Any] = self.own("GET", "personal/records").json["records"][0]  # type: ignore[index]
        return found
