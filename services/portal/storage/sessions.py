"""Sign-ins under way, and the sessions of people who are signed in."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from servicekit.database import Database
from services.portal.storage.base import Tables


class SignInRow(Tables):
    """A sign-in that waits for the person to come back; ``sealed`` holds nonce and verifier."""

    __tablename__ = "sign_in"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)  # seconds since 1970


class SessionRow(Tables):
    """A signed-in browser; ``sealed`` holds the person's name and tokens, encrypted.

    renewing_until: another request is renewing tokens until then at the latest. version: counts
    changes, so that a waiting request sees that the renewal is done.
    """

    __tablename__ = "browser_session"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)
    renewing_until: Mapped[int] = mapped_column(BigInteger, default=0)
    version: Mapped[int] = mapped_column(BigInteger, default=0)


@dataclass(frozen=True)
class Stored:
    """What a session row holds."""

    sealed: bytes
    version: int


def remember_sign_in(
    session: Session, state_hash: str, browser_hash: str, sealed: bytes, now: int, expires_at: int
) -> None:
    """Keep a sign-in under way, and forget those that nobody finished."""
    session.execute(delete(SignInRow).where(SignInRow.expires_at <= now))
    session.add(
        SignInRow(
            state_hash=state_hash, browser_hash=browser_hash, sealed=sealed, expires_at=expires_at
        )
    )


def take_sign_in(session: Session, state_hash: str, browser_hash: str, now: int) -> bytes | None:
    """Return a sign-in of this browser and remove it: it is used at most once."""
    row = session.get(SignInRow, state_hash)
    if row is None or row.browser_hash != browser_hash or row.expires_at <= now:
        return None
    taken = session.execute(
        delete(SignInRow).where(SignInRow.state_hash == state_hash).returning(SignInRow.state_hash)
    ).all()
    return row.sealed if taken else None


def open_session(session: Session, id_hash: str, sealed: bytes, now: int, expires_at: int) -> None:
    """Begin a signed-in session, and remove those that are over."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    session.add(SessionRow(id_hash=id_hash, sealed=sealed, expires_at=expires_at))


def find_session(session: Session, id_hash: str, now: int) -> Stored | None:
    """Return a session that is not over."""
    row = session.execute(
        select(SessionRow.sealed, SessionRow.version).where(
            SessionRow.id_hash == id_hash, SessionRow.expires_at > now
        )
    ).one_or_none()
    return None if row is None else Stored(row.sealed, row.version)


def claim_renewal(session: Session, id_hash: str, version: int, now: int, until: int) -> bool:
    """Try to become the one request that renews this session's tokens."""
    claimed = session.execute(
        update(SessionRow)
        .where(
            SessionRow.id_hash == id_hash,
            SessionRow.version == version,
            SessionRow.renewing_until <= now,
        )
        .values(renewing_until=until)
        .returning(SessionRow.id_hash)
    ).all()
    return bool(claimed)


def keep_renewed(session: Session, id_hash: str, sealed: bytes | None) -> None:
    """End a renewal: store what it brought, or nothing (None) when it failed."""
    values: dict[str, object] = {"renewing_until": 0}
    if sealed is not None:
        values |= {"sealed": sealed, "version": SessionRow.version + 1}
    session.execute(update(SessionRow).where(SessionRow.id_hash == id_hash).values(values))


def close_session(session: Session, id_hash: str) -> None:
    """Remove a session."""
    session.execute(delete(SessionRow).where(SessionRow.id_hash == id_hash))


def check(database: Database) -> None:
    """Raise whatever the database raises when it cannot answer now."""
    with database.snapshot() as session:
        session.execute(select(SessionRow.id_hash).limit(1)).all()
