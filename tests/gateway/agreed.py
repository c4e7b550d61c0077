"""Agreements for the clients of these tests; the directory has tests of its own."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from gateway import storage

SERVICES = ("identity", "registers", "notify", "portal")
# those that call routes with a token in these tests, and what they have an agreement for
CLIENTS = (
    "test-client", "fisheries", "council", "portal", "operator", "machine", "app", "reader",
)  # fmt: skip


def add_agreements(session: Any, clients: Iterable[str] = CLIENTS) -> None:
    """Let these clients call every service, as if each had agreed with all."""
    terms = {"kind": "agreement", "legal_basis": {"en": "A made-up law."}, "made_by": "tests"}
    since, made_at_ms = date(2026, 1, 1), 1_767_225_600_000
    storage.offer_agreements(
        session,
        [
            {"id": f"{client}:{service}", "client_id": client, "service": service, "since": since,
             "made_at_ms": made_at_ms, **terms}
            for client in clients
            for service in SERVICES
        ],
    )  # fmt: skip
