"""What works once: a second process or thread that comes with the same id finds it taken."""

from datetime import datetime, timedelta

from sqlalchemy import Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.identity.storage.protocol_tables import RevokedToken, UsedAssertion

REMEMBERED = timedelta(minutes=10)  # longer than an assertion may live


def take(session: Session, id_hash: str, now: datetime) -> bool:
    """Claim an id; False when it was claimed before."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table = UsedAssertion.__table__
    assert isinstance(table, Table)  # noqa: S101 (narrows SQLAlchemy's type)
    taken = session.scalar(
        insert(table)
        .values(id_hash=id_hash, expires_at=now + REMEMBERED)
        .on_conflict_do_nothing()
        .returning(table.c.id_hash)
    )
    return taken is not None


def forget_ended(session: Session, now: datetime) -> None:
    """Delete what could not be used again anyhow."""
    session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < now))
    session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now - REMEMBERED))
