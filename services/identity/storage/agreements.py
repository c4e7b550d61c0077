"""Agreements: given, changed, withdrawn, given again; each version is kept and told to the feed."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.domain import agreements
from services.identity.domain.digests import random_id
from services.identity.storage import feed, grants
from services.identity.storage.consent_tables import AgreementVersion
from services.identity.storage.tables import Agreement, Person

PAGE = 100
GIVEN, CHANGED, WITHDRAWN = "given", "changed", "withdrawn"


def give(
    session: Session,
    *,
    subject: str,
    client_id: str,
    purpose: str,
    items: Sequence[str],
    now: datetime,
    until: datetime | None = None,
) -> Agreement:
    """Write down a new agreement, of a year when nothing else is said, and tell the feed."""
    agreement = Agreement(
        id=random_id(),
        subject=subject,
        client_id=client_id,
        purpose=purpose,
        items=list(items),
        categories=agreements.categories_of(items, purpose),
        version=1,
        given_at=now,
        until=until or now + agreements.LIFE,
        withdrawn_at=None,
    )
    agreement.number = feed.append(session, feed.consent_event(agreement))
    session.add(agreement)
    session.flush()
    _keep_version(session, agreement, GIVEN, now)
    return agreement


def agree(
    session: Session,
    *,
    subject: str,
    client_id: str,
    purpose: str,
    asked: Sequence[str],
    chosen: Iterable[str],
    now: datetime,
    until: datetime,
) -> Agreement:
    """Write down what a person chose of what was asked for; what was agreed beside it stays."""
    _lock(session, subject)
    agreement = in_force(session, subject, client_id, purpose, now)
    kept = [item for item in agreement.items if item not in asked] if agreement else []
    items = agreements.ordered([*chosen, *kept], asked)
    if agreement is None:
        return give(
            session, subject=subject, client_id=client_id, purpose=purpose, items=items, now=now,
            until=until,
        )  # fmt: skip
    _change(session, agreement, items, until, now)
    return agreement


def keep_only(
    session: Session, agreement: Agreement, items: Iterable[str], now: datetime
) -> Agreement:
    """Withdraw every other item of an agreement in force; the last one withdraws it."""
    _lock(session, agreement.subject)
    session.refresh(agreement)
    if agreements.state(agreement, now) is not agreements.State.IN_FORCE:
        return agreement
    wanted = set(items)
    kept = [item for item in agreement.items if item in wanted]
    if not kept:
        withdraw(session, agreement, now)
    else:
        _change(session, agreement, kept, agreement.until, now)
    return agreement


def in_force(
    session: Session, subject: str, client_id: str, purpose: str, now: datetime
) -> Agreement | None:
    """Return the newest agreement of a person with a client for a purpose that holds now."""
    return session.scalar(
        select(Agreement)
        .where(
            Agreement.subject == subject,
            Agreement.client_id == client_id,
            Agreement.purpose == purpose,
            Agreement.withdrawn_at.is_(None),
            Agreement.until > now,
        )
        .order_by(Agreement.number.desc())
        .limit(1)
        .execution_options(populate_existing=True)  # it may have been read before the lock
    )


def find(session: Session, agreement_id: str, subject: str) -> Agreement | None:
    """Return an agreement if it is this person's, else None."""
    if "\0" in agreement_id or "\0" in subject:
        return None
    return session.scalar(
        select(Agreement).where(Agreement.id == agreement_id, Agreement.subject == subject)
    )


def versions(session: Session, agreement: Agreement) -> Sequence[AgreementVersion]:
    """Return everything that an agreement ever said, the first version first."""
    return session.scalars(
        select(AgreementVersion)
        .where(AgreementVersion.agreement_id == agreement.id)
        .order_by(AgreementVersion.version)
    ).all()


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
    """Withdraw an agreement; False when it was withdrawn before.

    Every sign-in that rests on it ends: its refresh tokens are refused from now on, and its access
    tokens at the door as soon as the gateway has read the feed.
    """
    _lock(session, agreement.subject)
    result = session.execute(
        update(Agreement)
        .where(Agreement.id == agreement.id, Agreement.withdrawn_at.is_(None))
        .values(withdrawn_at=now, version=Agreement.version + 1)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    session.refresh(agreement)
    if result.rowcount == 1:
        feed.append(session, feed.consent_event(agreement))
        _keep_version(session, agreement, WITHDRAWN, now)
        _end_sign_ins(session, agreement, now)
    return result.rowcount == 1


def renew(session: Session, agreement: Agreement, now: datetime) -> Agreement:
    """Give an ended agreement again; when one like it is in force already, return that one."""
    _lock(session, agreement.subject)
    alike = in_force(session, agreement.subject, agreement.client_id, agreement.purpose, now)
    return alike or give(
        session,
        subject=agreement.subject,
        client_id=agreement.client_id,
        purpose=agreement.purpose,
        items=agreement.items,
        now=now,
    )


def _change(
    session: Session, agreement: Agreement, items: list[str], until: datetime, now: datetime
) -> None:
    """Let an agreement say something else from now on, under the same id."""
    lost = set(agreement.items) - set(items)
    if not lost and set(items) == set(agreement.items) and until == agreement.until:
        return
    agreement.items, agreement.until = items, until
    agreement.categories = agreements.categories_of(items, agreement.purpose)
    agreement.version += 1
    session.flush()
    feed.append(session, feed.consent_event(agreement))
    _keep_version(session, agreement, CHANGED, now)
    if lost:
        _end_sign_ins(session, agreement, now)


def _end_sign_ins(session: Session, agreement: Agreement, now: datetime) -> None:
    grants.revoke_of_person(session, agreement.subject, now, agreement.client_id, agreement.purpose)


def _lock(session: Session, subject: str) -> None:
    """Let one change of a person's agreements follow the other: two presses make one agreement."""
    session.execute(select(Person.sub).where(Person.sub == subject).with_for_update())


def _keep_version(session: Session, agreement: Agreement, change: str, now: datetime) -> None:
    session.add(
        AgreementVersion(
            agreement_id=agreement.id,
            version=agreement.version,
            at=now,
            change=change,
            items=list(agreement.items),
            until=agreement.until,
        )
    )
    session.flush()
