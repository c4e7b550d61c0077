"""Pushed requests: kept for a minute, opened by a browser, good for one code; bound grants."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from servicekit.database import reads_only
from services.identity.domain.digests import fingerprint
from services.identity.storage.profile_tables import GrantBinding, PushedRequest

SIGN_IN_TIME = timedelta(minutes=30)  # for the person, once a browser has brought the request


def keep(
    session: Session,
    uri: str,
    client_id: str,
    parameters: Mapping[str, list[str]],
    now: datetime,
    life: timedelta,
) -> None:
    """Keep a pushed request; those that ended are forgotten."""
    never_opened = and_(PushedRequest.opened_at.is_(None), PushedRequest.expires_at < now)
    ended = PushedRequest.expires_at < now - 2 * SIGN_IN_TIME
    session.execute(delete(PushedRequest).where(or_(never_opened, ended)))
    session.add(
        PushedRequest(
            uri_hash=fingerprint(uri),
            client_id=client_id,
            parameters=dict(parameters),
            expires_at=now + life,
            opened_at=None,
            used_at=None,
        )
    )
    session.flush()


def open_for(
    session: Session, uri: str, client_id: str, now: datetime
) -> Mapping[str, list[str]] | None:
    """Return the parameters of a client's own request while it may be used, else None."""
    found = session.get(PushedRequest, fingerprint(uri))
    if found is None or found.client_id != client_id or found.used_at is not None:
        return None
    if found.opened_at is not None:
        return found.parameters if now < found.opened_at + SIGN_IN_TIME else None
    if now >= found.expires_at:
        return None
    if not reads_only(session):
        found.opened_at = now
        session.flush()
    return found.parameters


def use(session: Session, uri: str, now: datetime) -> bool:
    """Take the one code that a request is good for; False when it was taken."""
    result = session.execute(
        update(PushedRequest)
        .where(PushedRequest.uri_hash == fingerprint(uri), PushedRequest.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1


def bind_code(session: Session, grant_id: str, thumbprint: str) -> None:
    """Note that a grant's code works with this key alone."""
    session.add(GrantBinding(grant_id=grant_id, code_jkt=thumbprint, refresh_jkt=None))


def bind_refresh(session: Session, grant_id: str, thumbprint: str) -> None:
    """Note that a grant's refresh tokens work with this key alone."""
    found = session.get(GrantBinding, grant_id)
    if found is None:
        found = GrantBinding(grant_id=grant_id, code_jkt=None, refresh_jkt=None)
        session.add(found)
    found.refresh_jkt = thumbprint
    session.flush()


def binding(session: Session, grant_id: str) -> tuple[str | None, str | None]:
    """Return the keys that a grant's code and its refresh tokens are bound to."""
    found = session.get(GrantBinding, grant_id)
    return (None, None) if found is None else (found.code_jkt, found.refresh_jkt)
