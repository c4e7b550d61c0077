"""The tables of the webhook tester: temporary inboxes and what arrived in them."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    String,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.portal.storage.base import Tables


class InboxRow(Tables):
    """A temporary address. ``owner_hash``: of the person whose it is.

    sealed_secret: the signing secret, encrypted. taken: how many deliveries ever. minute and
    in_minute: how many in the present minute.
    """

    __tablename__ = "hook_inbox"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner_hash: Mapped[str] = mapped_column(String(64), index=True)
    made_at: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    taken: Mapped[int] = mapped_column(BigInteger, default=0)
    minute: Mapped[int] = mapped_column(BigInteger, default=0)
    in_minute: Mapped[int] = mapped_column(BigInteger, default=0)


class DeliveryRow(Tables):
    """One POST that arrived; ``sealed`` holds headers and body, encrypted."""

    __tablename__ = "hook_delivery"

    inbox_id: Mapped[str] = mapped_column(
        ForeignKey("hook_inbox.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Inbox:
    """A temporary address as its owner sees it."""

    id: str
    made_at: int
    expires_at: int
    taken: int
    sealed_secret: bytes | None


def open_inbox(
    session: Session, inbox_id: str, owner: str, now: int, expires_at: int, *, each: int, most: int
) -> str | None:
    """Open an address and forget those that are over; return which bound is reached, if one is."""
    session.execute(delete(InboxRow).where(InboxRow.expires_at <= now))
    if session.execute(select(func.count()).select_from(InboxRow)).scalar_one() >= most:
        return "all"
    own = select(func.count()).select_from(InboxRow).where(InboxRow.owner_hash == owner)
    if session.execute(own).scalar_one() >= each:
        return "own"
    session.add(
        InboxRow(
            id=inbox_id, owner_hash=owner, made_at=now, expires_at=expires_at,
            taken=0, minute=0, in_minute=0,
        )
    )  # fmt: skip
    return None


def inboxes(session: Session, owner: str, now: int) -> list[Inbox]:
    """Return a person's addresses, the newest first."""
    rows = session.execute(
        select(InboxRow)
        .where(InboxRow.owner_hash == owner, InboxRow.expires_at > now)
        .order_by(InboxRow.made_at.desc(), InboxRow.id)
    ).scalars()
    return [_inbox(row) for row in rows]


def find_inbox(session: Session, inbox_id: str, owner: str, now: int) -> Inbox | None:
    """Return one address of this person."""
    row = session.execute(select(InboxRow).where(*_own(inbox_id, owner, now))).scalar_one_or_none()
    return None if row is None else _inbox(row)


def keep_secret(session: Session, inbox_id: str, owner: str, now: int, sealed: bytes) -> bool:
    """Keep the secret with which deliveries are checked; tell whether the address was found."""
    kept = session.execute(
        update(InboxRow)
        .where(*_own(inbox_id, owner, now))
        .values(sealed_secret=sealed)
        .returning(InboxRow.id)
    ).all()
    return bool(kept)


def close_inbox(session: Session, inbox_id: str, owner: str) -> None:
    """Remove an address of this person with everything in it."""
    session.execute(delete(InboxRow).where(InboxRow.id == inbox_id, InboxRow.owner_hash == owner))


def take_turn(session: Session, inbox_id: str, now: int, a_minute: int) -> int | None:
    """Count a delivery; return its number: 0 when the minute is full, None without such address."""
    minute = now // 60
    is_same = InboxRow.minute == minute
    counted = session.execute(
        update(InboxRow)
        .where(InboxRow.id == inbox_id, InboxRow.expires_at > now)
        .values(minute=minute, in_minute=case((is_same, InboxRow.in_minute + 1), else_=1))
        .returning(InboxRow.in_minute)
    ).scalar_one_or_none()
    if counted is None:
        return None
    if counted > a_minute:
        return 0
    return session.execute(
        update(InboxRow)
        .where(InboxRow.id == inbox_id)
        .values(taken=InboxRow.taken + 1)
        .returning(InboxRow.taken)
    ).scalar_one()


def keep_delivery(
    session: Session, inbox_id: str, number: int, at: int, sealed: bytes, kept: int
) -> None:
    """Store a delivery and let the oldest go."""
    session.add(DeliveryRow(inbox_id=inbox_id, number=number, at=at, sealed=sealed))
    session.execute(
        delete(DeliveryRow).where(
            DeliveryRow.inbox_id == inbox_id, DeliveryRow.number <= number - kept
        )
    )


def deliveries(session: Session, inbox_id: str) -> list[tuple[int, int, bytes]]:
    """Return number, time and sealed content of what arrived, the newest first."""
    rows = session.execute(
        select(DeliveryRow.number, DeliveryRow.at, DeliveryRow.sealed)
        .where(DeliveryRow.inbox_id == inbox_id)
        .order_by(DeliveryRow.number.desc())
    ).all()
    return [(row.number, row.at, row.sealed) for row in rows]


def _own(inbox_id: str, owner: str, now: int) -> tuple[ColumnElement[bool], ...]:
    return InboxRow.id == inbox_id, InboxRow.owner_hash == owner, InboxRow.expires_at > now


def _inbox(row: InboxRow) -> Inbox:
    return Inbox(row.id, row.made_at, row.expires_at, row.taken, row.sealed_secret)
