"""The audit: who did what, when, about whom, from where. Rows are added and never changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.identity.domain.visitors import Visitor
from services.identity.storage.citizen_tables import AuditEvent

PAGE = 50
NOWHERE = Visitor("", "", "unknown")


def record_event(
    session: Session,
    kind: str,
    *,
    at: datetime,
    actor: str | None = None,
    about: str | None = None,
    client_id: str | None = None,
    visitor: Visitor = NOWHERE,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one event in the transaction that does what it tells of.

    kind: words with dashes (``passkey-added``). actor, about: subjects of people; None when nobody
    is signed in, or when the name belongs to nobody. details: never a secret, never a name.
    """
    session.add(
        AuditEvent(
            at=at,
            kind=kind,
            actor=actor,
            about=about,
            client_id=client_id,
            device=visitor.device,
            network=visitor.network,
            details=dict(details or {}),
        )
    )
    session.flush()


def about_person(
    session: Session, sub: str, before: int | None = None, limit: int = PAGE
) -> Sequence[AuditEvent]:
    """Return a page of what happened to one person's account, newest first."""
    query = select(AuditEvent).where(AuditEvent.about == sub)
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return session.scalars(query.order_by(AuditEvent.id.desc()).limit(limit)).all()


def count_since(session: Session, sub: str, kinds: Iterable[str], since: datetime) -> int:
    """Return how many events of these kinds happened to an account since a moment."""
    query = select(func.count()).where(
        AuditEvent.about == sub, AuditEvent.kind.in_(list(kinds)), AuditEvent.at > since
    )
    return session.scalar(query) or 0


def last_but_one(session: Session, sub: str, kind: str) -> AuditEvent | None:
    """Return the event of a kind before the newest one, or None: what the person last knew."""
    return session.scalar(
        select(AuditEvent)
        .where(AuditEvent.about == sub, AuditEvent.kind == kind)
        .order_by(AuditEvent.id.desc())
        .offset(1)
        .limit(1)
    )
