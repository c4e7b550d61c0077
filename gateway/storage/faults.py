"""The instructor's levers that are pulled, for every worker to see."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import Base


class Fault(Base):
    """What the door does to the calls of one service, until a time."""

    __tablename__ = "faults"

    service: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    delay_ms: Mapped[int] = mapped_column(Integer)
    until_ms: Mapped[int] = mapped_column(BigInteger)


def keep_fault(session: Session, service: str, kind: str, delay_ms: int, until_ms: int) -> None:
    """Pull one lever, in place of the one that was pulled before."""
    session.merge(Fault(service=service, kind=kind, delay_ms=delay_ms, until_ms=until_ms))


def drop_faults(session: Session, service: str | None = None) -> None:
    """Undo the lever of one service, or of all."""
    statement = delete(Fault)
    session.execute(statement if service is None else statement.where(Fault.service == service))


def all_faults(session: Session, now_ms: int) -> Sequence[Fault]:
    """Return every lever that is pulled now."""
    return session.scalars(select(Fault).where(Fault.until_ms > now_ms)).all()
