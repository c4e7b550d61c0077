"""Agreements: given, listed, withdrawn, given again; every change goes to the feed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.domain import agreements
from services.identity.domain.digests import random_id
from services.identity.storage import feed
from services.identity.storage.tables import Agreement, Person

PAGE = 100


def give(
    session: Session,
    *,
    subject: str,
    client_id: str,
    purpose: str,
    categories: list[str],
    now: datetime,
) -> Agreement:
    """Write down a new agreement of a year and tell the feed."""
    agreement = Agreement(
        id=random_id(),
        subject=subject,
        client_id=client_id,
        purpose=purpose,
        categories=categories,
        given_at=now,
        until=now + agreements.LIFE,
        withdrawn_at=None,
    )
    agreement.number = feed.append(session, feed.consent_event(agreement))
    session.add(agreement)
    session.flush()
    return agreement


def find(session: Session, agreement_id: str, subject: str) -> Agreement | None:
    """Return an agreement if it is this person's, else None."""
    if "\0" in agreement_id or "\0" in subject:
        return None
    return session.scalar(
        select(Agreement).where(Agreement.id == agreement_id, Agreement.subject == subject)
    )


def of_person(session: Session, subject: str) -> Sequence[Agreement]:
    """Return the newest 100 agreements that a person gave, newest first."""
    return session.scalars(
        select(Agreement)
        .where(Agreement.subject == subject)
        .order_by(Agreement.number.desc())
        .limit(PAGE)
    ).all()


def to_client(
    session: Session, client_id: str, purpose: str | None, before: int | None
) -> Sequence[Agreement]:
    """Return up to 100 agreements given to a client, newest first; before: where to go on."""
    query = select(Agreement).where(Agreement.client_id == client_id)
    if purpose is not None:
        if "\0" in purpose:
            return []  # PostgreSQL refuses the character, so there is no such purpose
        query = query.where(Agreement.purpose == purpose)
    if before is not None:
        query = query.where(Agreement.number < before)
    return session.scalars(query.order_by(Agreement.number.desc()).limit(PAGE)).all()


def withdraw(session: Session, agreement: Agreement, now: datetime) -> bool:
    """Withdraw an agreement; False when it was withdrawn before."""
    result = session.execute(
        update(Agreement)
        .where(Agreement.id == agreement.id, Agreement.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    session.refresh(agreement)
    if result.rowcount == 1:
        feed.append(session, feed.consent_event(agreement))
    return result.rowcount == 1


def renew(session: Session, agreement: Agreement, now: datetime) -> Agreement:
    """Give an ended agreement again; when one like it is in force already, return that one."""
    session.execute(  # two presses of the button must not make two agreements
        select(Person.sub).where(Person.sub == agreement.subject).with_for_update()
    )
    alike = session.scalar(
        select(Agreement)
        .where(
            Agreement.subject == agreement.subject,
            Agreement.client_id == agreement.client_id,
            Agreement.purpose == agreement.purpose,
            Agreement.withdrawn_at.is_(None),
            Agreement.until > now,
        )
        .order_by(Agreement.number.desc())
        .limit(1)
    )
    return alike or give(
        session,
        subject=agreement.subject,
        client_id=agreement.client_id,
        purpose=agreement.purpose,
        categories=agreement.categories,
        now=now,
    )
