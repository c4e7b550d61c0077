"""Agreements: what a person allowed a service to read, for what purpose, until when."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

LIFE = timedelta(days=365)


class Agreement(Protocol):
    """The part of a stored agreement that decides whether it is in force."""

    until: datetime
    withdrawn_at: datetime | None


class State(StrEnum):
    """What an agreement is worth now."""

    IN_FORCE = "in-force"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


def state(agreement: Agreement, moment: datetime) -> State:
    """Return what an agreement is worth at a moment; a withdrawn one stays withdrawn."""
    if agreement.withdrawn_at is not None:
        return State.WITHDRAWN
    return State.IN_FORCE if moment < agreement.until else State.EXPIRED
