"""Signing keys: published, taken into use, retired, withdrawn. One process moves them at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.identity.domain.key_life import ALGORITHMS, Pace, State, earliest, is_due, is_spent
from services.identity.storage import feed
from services.identity.storage.protocol_tables import StoredKey
from services.identity.storage.tables import FeedState

PUBLISHED = (State.NEXT, State.ACTIVE, State.RETIRING)


@dataclass(frozen=True)
class NewKey:
    """A key pair that was just made; the private half is sealed already."""

    kid: str
    jwk: dict[str, Any]
    sealed: bytes


Make = Callable[[str], NewKey]


def published(session: Session) -> Sequence[StoredKey]:
    """Return the keys that verifiers must know, the oldest first."""
    return session.scalars(
        select(StoredKey).where(StoredKey.state.in_(PUBLISHED)).order_by(StoredKey.published_at)
    ).all()


def every(session: Session) -> Sequence[StoredKey]:
    """Return all keys that ever were, the oldest first."""
    return session.scalars(select(StoredKey).order_by(StoredKey.published_at)).all()


def exist(session: Session) -> bool:
    """Whether there is a key to sign with for every algorithm."""
    active = select(StoredKey.algorithm).where(StoredKey.state == State.ACTIVE)
    return set(ALGORITHMS) <= set(session.scalars(active))


def advance(session: Session, make: Make, now: datetime, pace: Pace) -> None:
    """Do what is due: make missing keys, let the next one take over, forget spent ones."""
    session.execute(select(FeedState.id).with_for_update())  # one at a time
    for algorithm in ALGORITHMS:
        active, following = (
            _find(session, algorithm, state) for state in (State.ACTIVE, State.NEXT)
        )
        if active is None:
            # nobody has seen a key that is made only now, but without one nothing is signed
            active = following or _add(session, algorithm, make(algorithm), now)
            active.state, active.active_at, active.due_at = State.ACTIVE, now, None
            following = None
        elif following is not None and is_due(active, following, now, pace):
            active.state, active.retiring_at = State.RETIRING, now
            following.state, following.active_at, following.due_at = State.ACTIVE, now, None
            following = None
        if following is None:
            _add(session, algorithm, make(algorithm), now)
    for key in published(session):
        if is_spent(key, now, pace):
            key.state, key.gone_at, key.sealed = State.GONE, now, None
    session.flush()


def rotate(session: Session, algorithms: Sequence[str], now: datetime, pace: Pace) -> None:
    """Ask that the next keys take over as soon as every verifier can know them."""
    for algorithm in algorithms:
        following = _find(session, algorithm, State.NEXT)
        if following is not None:
            following.due_at = earliest(following, now, pace)
    session.flush()


def withdraw(session: Session, kid: str, reason: str, now: datetime) -> bool:
    """Take a key that others may hold out of use at once; False when there is no such key."""
    key = session.get(StoredKey, kid, with_for_update=True) if "\0" not in kid else None
    if key is None or key.state == State.GONE:
        return False
    key.state, key.gone_at, key.sealed, key.reason = State.GONE, now, None, reason
    session.flush()
    feed.append(session, {"kind": "key-withdrawn", "kid": kid})
    return True


def tell_withdrawn(session: Session) -> None:
    """Tell a feed that begins anew which keys must not be believed."""
    for key in every(session):
        if key.reason is not None:
            feed.append(session, {"kind": "key-withdrawn", "kid": key.kid})


def _find(session: Session, algorithm: str, state: State) -> StoredKey | None:
    return session.scalar(
        select(StoredKey).where(StoredKey.algorithm == algorithm, StoredKey.state == state)
    )


def _add(session: Session, algorithm: str, made: NewKey, now: datetime) -> StoredKey:
    key = StoredKey(
        kid=made.kid,
        algorithm=algorithm,
        state=State.NEXT,
        jwk=made.jwk,
        sealed=made.sealed,
        published_at=now,
        due_at=None,
        active_at=None,
        retiring_at=None,
        gone_at=None,
        reason=None,
    )
    session.add(key)
    session.flush()
    return key
