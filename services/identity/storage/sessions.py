"""Signed-in browsers, the devices that people signed in with before, and the count of failures."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.identity.domain import sign_in
from services.identity.domain.digests import fingerprint
from services.identity.storage.citizen_tables import KnownDevice
from services.identity.storage.tables import Attempts, SignInSession

SEEN_EVERY = timedelta(seconds=60)  # a page view need not write each time
DEVICE_LIFE = timedelta(days=400)


def open_session(
    session: Session,
    session_id: str,
    sub: str,
    now: datetime,
    life: timedelta,
    *,
    acr: str = "low",
    amr: Sequence[str] = (),
    device: str = "",
    network: str = "",
) -> SignInSession:
    """Remember a browser in which a person has just signed in."""
    opened = SignInSession(
        id_hash=fingerprint(session_id),
        cookie_hash=fingerprint(session_id),
        sub=sub,
        acr=acr,
        amr=list(amr),
        started_at=now,
        auth_time=now,
        seen_at=now,
        expires_at=now + life,
        device=device,
        network=network,
    )
    session.add(opened)
    session.flush()
    return opened


def renew(
    session: Session,
    found: SignInSession,
    session_id: str,
    now: datetime,
    *,
    acr: str,
    amr: Sequence[str],
) -> None:
    """Go on under a new cookie after the person proved again who they are (or more than before).

    Its lasting name stays, so that what services got from this sign-in stays with it; so does its
    end, which no renewal moves.
    """
    found.cookie_hash, found.auth_time, found.seen_at = fingerprint(session_id), now, now
    found.acr, found.amr = acr, list(amr)
    session.flush()


def find(session: Session, session_id: str, now: datetime, idle: timedelta) -> SignInSession | None:
    """Return the living session with this cookie, or None."""
    found = session.scalar(
        select(SignInSession).where(SignInSession.cookie_hash == fingerprint(session_id))
    )
    if found is None or now >= found.expires_at or now - found.seen_at >= idle:
        return None
    return found


def of_person(
    session: Session, sub: str, now: datetime, idle: timedelta
) -> Sequence[SignInSession]:
    """Return a person's living sessions, the one used last first."""
    return session.scalars(
        select(SignInSession)
        .where(
            SignInSession.sub == sub,
            SignInSession.expires_at > now,
            SignInSession.seen_at > now - idle,
        )
        .order_by(SignInSession.seen_at.desc(), SignInSession.id_hash)
    ).all()


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


def is_known_device(session: Session, device_id: str, sub: str) -> bool:
    """Whether this person signed in with this device before."""
    key = (fingerprint(device_id), sub)
    return bool(device_id) and session.get(KnownDevice, key) is not None


def know_device(session: Session, device_id: str, sub: str, now: datetime) -> None:
    """Remember a device for the person's next sign-ins."""
    found = session.get(KnownDevice, (fingerprint(device_id), sub))
    if found is None:
        session.add(KnownDevice(device_hash=fingerprint(device_id), sub=sub, seen_at=now))
    else:
        found.seen_at = now
    session.flush()


def forget_devices(session: Session, sub: str) -> None:
    """Forget every device of a person."""
    session.execute(delete(KnownDevice).where(KnownDevice.sub == sub))


def start_attempt(
    session: Session,
    account: str,
    now: datetime,
    wait_after: Callable[[int], timedelta] = sign_in.wait_after,
    forgives_one_every: timedelta | None = None,
) -> timedelta:
    """Count an attempt before it is checked; return how long to wait instead, zero for "go on".

    Counting first keeps the limit under any number of simultaneous guesses. Success takes it back.
    A count is forgotten after a while without attempts, or one by one where that is asked for.
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
        select(Attempts)
        .where(Attempts.account_hash == account_hash)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if now < row.not_before:
        return row.not_before - now
    if now - row.changed_at >= sign_in.FORGOTTEN_AFTER:
        row.failures, row.changed_at = 0, now
    if forgives_one_every is None:
        row.changed_at = now
    else:
        forgiven = (now - row.changed_at) // forgives_one_every
        row.failures = max(row.failures - forgiven, 0)
        row.changed_at += forgiven * forgives_one_every
    row.failures += 1
    row.not_before = now + wait_after(row.failures)
    session.flush()
    return timedelta()


def forget_failures(session: Session, account: str) -> None:
    """Start counting anew after a success."""
    session.execute(delete(Attempts).where(Attempts.account_hash == fingerprint(account)))


def take_back(session: Session, counted: str, now: datetime) -> None:
    """Take back one counted attempt that was no failure; those of others still count."""
    session.execute(
        update(Attempts)
        .where(Attempts.account_hash == fingerprint(counted), Attempts.failures > 0)
        .values(failures=Attempts.failures - 1, not_before=now)
        .execution_options(synchronize_session=False)
    )


def forget_ended(session: Session, now: datetime) -> None:
    """Delete sessions, devices and counts that no longer matter."""
    session.execute(delete(SignInSession).where(SignInSession.expires_at < now))
    session.execute(delete(Attempts).where(Attempts.changed_at < now - sign_in.FORGOTTEN_AFTER))
    session.execute(delete(KnownDevice).where(KnownDevice.seen_at < now - DEVICE_LIFE))
