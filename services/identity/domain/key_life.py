"""The life of a signing key: next → active → retiring → gone, so that no verifier is surprised."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

ALGORITHMS = ("ES256", "RS256")  # for access tokens; and what a client may choose for ID tokens


class State(StrEnum):
    """What a key is for now."""

    NEXT = "next"  # published, signs nothing yet
    ACTIVE = "active"  # signs
    RETIRING = "retiring"  # published until all that it signed has expired
    GONE = "gone"  # not published


class Key(Protocol):
    """The part of a stored key that decides what becomes of it."""

    algorithm: str
    state: str
    published_at: datetime
    due_at: datetime | None
    active_at: datetime | None
    retiring_at: datetime | None


@dataclass(frozen=True)
class Pace:
    """How quickly keys follow each other."""

    ahead: timedelta  # a key is published so long before it signs
    overlap: timedelta  # and so long after it signed last
    every: timedelta  # a key signs so long; zero: until somebody asks for the next


def earliest(key: Key, now: datetime, pace: Pace) -> datetime:
    """Return when a key may begin to sign: every verifier must have seen it by then."""
    return max(now, key.published_at + pace.ahead)


def is_due(active: Key, following: Key, now: datetime, pace: Pace) -> bool:
    """Whether the next key takes over now, because somebody asked or the active one is old."""
    if now < following.published_at + pace.ahead:
        return False
    if following.due_at is not None and now >= following.due_at:
        return True
    began = active.active_at or active.published_at
    return bool(pace.every) and now - began >= pace.every


def is_spent(key: Key, now: datetime, pace: Pace) -> bool:
    """Whether a retiring key is needed no more: what it signed has expired everywhere."""
    return (
        key.state == State.RETIRING
        and key.retiring_at is not None
        and now - key.retiring_at >= pace.overlap
    )


def only(keys: Iterable[Key], algorithm: str, state: State) -> Key | None:
    """Return the one key of an algorithm in a state, or None."""
    return next((key for key in keys if key.algorithm == algorithm and key.state == state), None)
