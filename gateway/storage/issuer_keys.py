"""Identity's public keys, kept so that a restart does not need identity."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import Base


class IssuerKeys(Base):
    """Identity's public keys as last seen, so that a restart does not need identity."""

    __tablename__ = "issuer_keys"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    fetched_at_ms: Mapped[int] = mapped_column(BigInteger)


def keep_issuer_keys(session: Session, document: Mapping[str, Any], fetched_at_ms: int) -> None:
    """Remember the keys just fetched in place of earlier ones."""
    session.merge(IssuerKeys(id=1, document=dict(document), fetched_at_ms=fetched_at_ms))


def kept_issuer_keys(session: Session) -> tuple[Mapping[str, Any], int] | None:
    """Return the keys last seen and when (Unix time in milliseconds), if any."""
    kept = session.get(IssuerKeys, 1)
    return (kept.document, kept.fetched_at_ms) if kept else None
