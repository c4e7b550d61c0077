"""What a browser has begun and not finished: kept sealed, for a while, for that browser alone."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from services.identity.domain.digests import fingerprint
from services.identity.storage.citizen_tables import Pending


def put(
    session: Session, owner: str, kind: str, sealed: bytes, now: datetime, expires_at: datetime
) -> None:
    """Keep something for a browser, in place of what was kept before."""
    session.execute(delete(Pending).where(Pending.expires_at < now))
    remove(session, owner, kind)
    session.add(
        Pending(owner_hash=fingerprint(owner), kind=kind, sealed=sealed, expires_at=expires_at)
    )
    session.flush()


def get(session: Session, owner: str, kind: str, now: datetime) -> bytes | None:
    """Return what is kept for a browser, or None."""
    found = session.get(Pending, (fingerprint(owner), kind))
    return found.sealed if found is not None and now < found.expires_at else None


def remove(session: Session, owner: str, kind: str) -> None:
    """Forget what was kept."""
    session.execute(
        delete(Pending).where(Pending.owner_hash == fingerprint(owner), Pending.kind == kind)
    )
