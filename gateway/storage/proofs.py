"""Proofs of key possession that were used, kept until they are worth nothing any more."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import BigInteger, String, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import Base


class Proof(Base):
    """One proof that was used: a hash of its key and its number (jti)."""

    __tablename__ = "proofs"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    until_s: Mapped[int] = mapped_column(BigInteger, index=True)


def keep_proofs(session: Session, names: Sequence[str], until_s: int) -> set[str]:
    """Remember proofs until then (Unix time); return those that were not known before."""
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    table = cast("Table", Proof.__table__)
    rows = [{"name": name, "until_s": until_s} for name in names]
    statement = insert(table).values(rows).on_conflict_do_nothing().returning(table.c.name)
    return set(session.scalars(statement))


def forget_proofs(session: Session, before_s: int) -> None:
    """Drop proofs that have become too old to be used anyway."""
    session.execute(delete(Proof).where(Proof.until_s < before_s))
