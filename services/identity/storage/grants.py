"""Grants, their codes and refresh tokens: each taken once, by one UPDATE that counts its rows."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from servicekit.clock import timestamp
from services.identity.domain.digests import fingerprint
from services.identity.storage import feed, sign_outs
from services.identity.storage.protocol_tables import RevokedToken
from services.identity.storage.tables import Code, Grant, RefreshToken


def get(session: Session, grant_id: str) -> Grant:
    """Return the grant of a code or refresh token, revoked or not."""
    return session.get_one(Grant, grant_id)


def is_revoked(session: Session, grant_id: str) -> bool:
    """Whether tokens of this grant are worth nothing any more."""
    found = session.execute(select(Grant.revoked_at).where(Grant.id == grant_id)).one_or_none()
    return found is None or found[0] is not None


def revoke(session: Session, grant_id: str, now: datetime) -> None:
    """Revoke a grant and tell the feed, once."""
    result = session.execute(
        update(Grant)
        .where(Grant.id == grant_id, Grant.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )
    if _one(result):
        feed.append(session, {"kind": "grant-revoked", "grant_id": grant_id})


def revoke_token(session: Session, jti: str, expires_at: datetime) -> None:
    """Revoke one access token and tell the feed, once."""
    if not is_token_revoked(session, jti):
        session.add(RevokedToken(jti=jti, expires_at=expires_at))
        session.flush()
        ends = timestamp(expires_at)
        feed.append(session, {"kind": "token-revoked", "jti": jti, "expires_at": ends})


def is_token_revoked(session: Session, jti: str) -> bool:
    """Whether an access token was revoked by itself."""
    return session.get(RevokedToken, jti) is not None


def revoke_of_person(
    session: Session,
    sub: str,
    now: datetime,
    client_id: str | None = None,
    purpose: str | None = None,
) -> None:
    """Revoke every grant of a person: a password or factor changed; or all that one client has.

    purpose: only those that rest on the agreement for this purpose.
    """
    living = select(Grant.id).where(
        Grant.sub == sub, Grant.revoked_at.is_(None), Grant.expires_at > now
    )
    if client_id is not None:
        living = living.where(Grant.client_id == client_id)
    if purpose is not None:
        living = living.where(Grant.purpose == purpose)
    for grant_id in session.scalars(living).all():
        revoke(session, grant_id, now)


def revoke_of_session(session: Session, session_hash: str, now: datetime) -> None:
    """Revoke every grant that came from one signed-in browser; its clients will hear of it."""
    sign_outs.add_for_session(session, session_hash, now)
    living = select(Grant.id).where(
        Grant.session_hash == session_hash, Grant.revoked_at.is_(None), Grant.expires_at > now
    )
    for grant_id in session.scalars(living).all():
        revoke(session, grant_id, now)


def take_code(session: Session, code: str, client_id: str, now: datetime) -> Code | None:
    """Claim a code for its client, whatever becomes of the request; None when it is worth nothing.

    A second use revokes the grant (RFC 9700 section 2.1.1). Another client's try changes nothing.
    """
    own = select(Grant.id).where(Grant.client_id == client_id)
    code_hash = fingerprint(code)
    result = session.execute(
        update(Code)
        .where(Code.code_hash == code_hash, Code.used_at.is_(None), Code.grant_id.in_(own))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    row = session.scalar(select(Code).where(Code.code_hash == code_hash, Code.grant_id.in_(own)))
    if row is None:
        return None
    if not _one(result):
        revoke(session, row.grant_id, now)
        return None
    return row if now < row.expires_at else None


def find_refresh_token(session: Session, token: str, client_id: str) -> RefreshToken | None:
    """Return a refresh token of this client, used or not, or None."""
    return session.scalar(
        select(RefreshToken)
        .join(Grant, Grant.id == RefreshToken.grant_id)
        .where(RefreshToken.token_hash == fingerprint(token), Grant.client_id == client_id)
    )


def add_refresh_token(session: Session, token: str, grant_id: str) -> None:
    """Remember a new refresh token by its hash."""
    session.add(RefreshToken(token_hash=fingerprint(token), grant_id=grant_id, used_at=None))
    session.flush()


def rotate(
    session: Session,
    token: RefreshToken,
    successor: str,
    now: datetime,
    retry_window: timedelta,
) -> bool:
    """Replace a refresh token by its successor; False when this is reuse, which revokes the grant.

    The successor is computed from the old token, so a caller that lost the answer gets the same
    one again within the window, as long as nobody has used the successor: there is one live token.
    """
    result = session.execute(
        update(RefreshToken)
        .where(RefreshToken.token_hash == token.token_hash, RefreshToken.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    if _one(result):
        add_refresh_token(session, successor, token.grant_id)
        return True
    session.refresh(token)
    follower = session.get(RefreshToken, fingerprint(successor), populate_existing=True)
    if (
        follower is not None
        and follower.used_at is None
        and token.used_at is not None
        and now - token.used_at < retry_window
    ):
        return True
    revoke(session, token.grant_id, now)
    return False


def forget_ended(session: Session, before: datetime) -> None:
    """Delete grants that ended before a moment, with their codes and refresh tokens."""
    session.execute(delete(Grant).where(Grant.expires_at < before))


def _one(result: object) -> bool:
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1
