"""How long messages are kept, and the keys that they are sealed with."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

DEFAULT, SHORTEST, LONGEST = 7, 3, 90
IN_TIME = timedelta(seconds=10)
_EPOCH = datetime(2020, 1, 6, tzinfo=UTC)  # a Monday
# a message scheduled a week ahead, or waiting 72 hours for a receipt, is kept a little longer
_MARGIN = timedelta(days=12)


def days(kept: Mapping[str, int], channel: str) -> int:
    """Return for how many days a service keeps messages of a channel."""
    return min(max(kept.get(channel, DEFAULT), SHORTEST), LONGEST)


def was_in_time(
    created_at: datetime, scheduled_for: datetime | None, sent_at: datetime | None
) -> bool:
    """Whether a message was handed to a provider within 10 s of the moment it was due."""
    due = max(created_at, scheduled_for or created_at)
    return sent_at is not None and sent_at - due <= IN_TIME


def week(now: datetime) -> int:
    """Return the number of a week, which names its key."""
    return (now - _EPOCH).days // 7


def still_needed(keyring: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the keys of weeks without those that sealed nothing that is still kept.

    A key seals until the next one is made, so it goes when all that was sealed in the week of the
    next one is past the longest time.
    """
    weeks = sorted(map(int, keyring))
    kept = {}
    for this, following in zip_longest(weeks, weeks[1:]):
        if following is not None:
            ends_at = _EPOCH + timedelta(weeks=following + 1)
            if ends_at + timedelta(days=LONGEST) + _MARGIN < now:
                continue
        kept[str(this)] = keyring[str(this)]
    return kept
