"""The feed to the gateway: numbered events, in the order in which they were committed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from servicekit.clock import timestamp
from services.identity.domain.digests import random_id
from services.identity.storage.tables import Agreement, Client, FeedEvent, FeedState

PAGE = 500


def begin(session: Session) -> None:
    """Start the feed of an empty database under a new epoch."""
    session.add(FeedState(id=1, epoch=random_id(), last=0))
    session.flush()


def append(session: Session, event: Mapping[str, Any]) -> int:
    """Add an event and return its number.

    The update locks the state's row until commit, so no reader sees a number before a lower one.
    """
    statement = update(FeedState).values(last=FeedState.last + 1).returning(FeedState.last)
    n = session.execute(statement).scalar_one()
    session.execute(insert(FeedEvent).values(n=n, event=dict(event)))
    return n


def client_event(client: Client) -> dict[str, Any]:
    """Describe a client to the gateway."""
    return {
        "kind": "client",
        "client_id": client.client_id,
        "name": client.name,
        "enabled": client.enabled,
        "status": client.status,
    }


def consent_event(agreement: Agreement) -> dict[str, Any]:
    """Describe an agreement, given or withdrawn, to the gateway."""
    return {
        "kind": "consent",
        "id": agreement.id,
        "subject": agreement.subject,
        "client_id": agreement.client_id,
        "purpose": agreement.purpose,
        "categories": agreement.categories,
        "given_at": timestamp(agreement.given_at),
        "until": timestamp(agreement.until),
        "version": agreement.version,
        "withdrawn_at": _moment(agreement.withdrawn_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def page(session: Session, after: int, limit: int = PAGE) -> dict[str, Any]:
    """Return the events after a number, at most 500.

    ``last`` is the number to ask from next: the last event here, or the feed's when all are here.
    """
    epoch, last = session.execute(select(FeedState.epoch, FeedState.last)).one()
    rows = session.execute(
        select(FeedEvent.n, FeedEvent.event)
        .where(FeedEvent.n > after)
        .order_by(FeedEvent.n)
        .limit(limit)
    ).all()
    events = [{"n": n, **event} for n, event in rows]
    return {
        "epoch": epoch,
        "events": events,
        "last": events[-1]["n"] if len(events) == limit else last,
    }
