"""What messages carry along: the pages of letters, files behind links; and received texts."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session

from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import Document, Letter, Notification, ReceivedText

PAGE_SIZE = 250
RECEIVED_TEXTS_ARE_KEPT_FOR = timedelta(days=7)
TRIES, TRIES_WITHIN = 50, timedelta(seconds=300)


def add_letter(session: Session, notification_id: str, **values: Any) -> bool:
    """Store the pages of a letter once; return False when they were there already."""
    return insert_if_absent(session, Letter, notification_id=notification_id, **values)


def letter(session: Session, notification_id: str) -> Letter | None:
    """Return the pages of a letter, or None when they are not made yet."""
    return session.get(Letter, notification_id)


def set_sheets(session: Session, notification_id: str, sheets: int) -> None:
    """Write down how many sheets of paper a letter takes."""
    session.execute(
        update(Notification).where(Notification.id == notification_id).values(sheets=sheets),
        execution_options={"synchronize_session": False},
    )


def add_document(session: Session, now: datetime, **values: Any) -> None:
    """Store a file that its link will open."""
    session.execute(insert(Document).values(created_at=now, tries=0, tries_since=now, **values))


def document(session: Session, service_id: str, document_id: str, now: datetime) -> Document | None:
    """Return a file that has not expired, or None."""
    return session.scalar(
        select(Document).where(
            Document.id == document_id,
            Document.service_id == service_id,
            Document.expires_at > now,
        )
    )


def count_try(session: Session, document_id: str, now: datetime) -> bool:
    """Count one guess at a file's recipient; return False when there were too many lately."""
    begin_anew = update(Document).where(
        Document.id == document_id, Document.tries_since <= now - TRIES_WITHIN
    )
    unsynced = {"synchronize_session": False}
    session.execute(begin_anew.values(tries=0, tries_since=now), execution_options=unsynced)
    counted = session.execute(
        update(Document)
        .where(Document.id == document_id, Document.tries < TRIES)
        .values(tries=Document.tries + 1)
        .returning(literal(1)),
        execution_options=unsynced,
    )
    return counted.first() is not None


def forget_documents(session: Session, now: datetime) -> None:
    """Delete the files whose time is over."""
    session.execute(delete(Document).where(Document.expires_at <= now))


def add_received(session: Session, **values: Any) -> None:
    """Store a text that came in."""
    session.execute(insert(ReceivedText).values(**values))


def add_received_once(session: Session, **values: Any) -> bool:
    """Store a text that came in, unless it is there; return whether it was new."""
    return insert_if_absent(session, ReceivedText, **values)


def received(
    session: Session, service_id: str, now: datetime, older_than: str | None
) -> list[ReceivedText]:
    """Return a page of the texts that a service received in the last week, newest first."""
    query = select(ReceivedText).where(
        ReceivedText.service_id == service_id,
        ReceivedText.created_at > now - RECEIVED_TEXTS_ARE_KEPT_FOR,
    )
    if older_than is not None:
        last = session.get(ReceivedText, older_than)
        if last is None or last.service_id != service_id:
            return []
        query = query.where(
            tuple_(ReceivedText.created_at, ReceivedText.id) < (last.created_at, last.id)
        )
    newest = query.order_by(ReceivedText.created_at.desc(), ReceivedText.id.desc())
    return list(session.scalars(newest.limit(PAGE_SIZE)))


def forget_received(session: Session, now: datetime) -> None:
    """Delete the received texts that are older than a week."""
    session.execute(
        delete(ReceivedText).where(ReceivedText.created_at <= now - RECEIVED_TEXTS_ARE_KEPT_FOR)
    )
