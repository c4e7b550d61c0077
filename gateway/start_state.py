"""The start state: an empty log, and the demonstration's agreements and plans."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import storage
from gateway.directory import ITSELF, milliseconds
from gateway.settings import Settings

AGREEMENTS = Path(__file__).parent / "seed" / "agreements.yaml"
SINCE = date(2026, 1, 1)


def is_empty(session: Session) -> bool:
    """Whether the directory has never held anything."""
    return session.scalar(select(storage.Agreement.id).limit(1)) is None


def load(session: Session, settings: Settings) -> None:
    """Fill the directory for the demonstration; elsewhere the operator does."""
    if settings.start_state is None:
        return
    now = datetime.now(UTC)
    for client_id, line in seeded().items():
        for service in line["services"]:
            storage.add_agreement(
                session,
                {
                    "id": f"start:{client_id}:{service}",
                    "client_id": client_id,
                    "service": service,
                    "kind": line["kind"],
                    "legal_basis": line["legal_basis"],
                    "since": SINCE,
                    "made_at_ms": milliseconds(now),
                    "made_by": ITSELF,
                },
            )
        if "plan" in line:
            storage.keep_plan(session, client_id, line["plan"])


def seeded() -> dict[str, Any]:
    """Return the lines of the seed file by client."""
    lines: dict[str, Any] = yaml.safe_load(AGREEMENTS.read_text(encoding="utf-8"))
    return lines
