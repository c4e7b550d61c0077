"""Signed-in browsers, and the count of failed attempts of each account name."""

from datetime import datetime, timedelta

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.identity.domain import sign_in
from services.identity.domain.digests import fingerprint
from services.identity.storage.tables import Attempts, SignInSession

SEEN_EVERY = timedelta(seconds=60)  # a page view need not write each time


def open_session(
    session: Session, session_id: str, sub: str, now: datetime, life: timedelta
) -> None:
    """Remember a browser in which a person has just signed in."""
    session.add(
        SignInSession(
            id_hash=fingerprint(session_id),
            sub=sub,
            auth_time=now,
            seen_at=now,
            expires_at=now + life,
        )
    )
    session.flush()


def find(session: Session, session_id: str, now: datetime, idle: timedelta) -> SignInSession | None:
    """Return the living session with this id, or None."""
    found = session.get(SignInSession, fingerprint(session_id))
    if found is None or now >= found.expires_at or now - found.seen_at >= idle:
        return None
    return found


def touch(session: Session, found: SignInSession, now: datetime) -> None:
    """Note that a session was used, at most once a minute."""
    if now - found.seen_at >= SEEN_EVERY:
        session.execute(
            update(SignInSession)
            .where(SignInSession.id_hash == found.id_hash)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )


def close(session: Session, id_hash: str) -> None:
    """Forget a session: a copied cookie is worth nothing."""
    session.execute(delete(SignInSession).where(SignInSession.id_hash == id_hash))


def start_attempt(session: Session, account: str, now: datetime) -> timedelta:
    """Count an attempt before it is checked; return how long to wait instead, zero for "go on".

    Counting first keeps the limit under any number of simultaneous guesses. Success takes it back.
    """
    account_hash = fingerprint(account)
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    table = Attempts.__table__
    assert isinstance(table, Table)  # noqa: S101 (narrows SQLAlchemy's type)
    session.execute(
        insert(table)
        .values(account_hash=account_hash, failures=0, not_before=now, changed_at=now)
        .on_conflict_do_nothing()
    )
    row = session.scalars(
        select(Attempts).where(Attempts.account_hash == account_hash).with_for_update()
    ).one()
    if now < row.not_before:
        return row.not_before - now
    forgotten = now - row.changed_at >= sign_in.FORGOTTEN_AFTER
    row.failures = 1 if forgotten else row.failures + 1
    row.not_before = now + sign_in.wait_after(row.failures)
    row.changed_at = now
    session.flush()
    return timedelta()


def forget_failures(session: Session, account: str) -> None:
    """Start counting anew after a success."""
    session.execute(delete(Attempts).where(Attempts.account_hash == fingerprint(account)))


def forget_ended(session: Session, now: datetime) -> None:
    """Delete sessions and counts that no longer matter."""
    session.execute(delete(SignInSession).where(SignInSession.expires_at < now))
    session.execute(delete(Attempts).where(Attempts.changed_at < now - sign_in.FORGOTTEN_AFTER))
