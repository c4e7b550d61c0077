"""Timestamps of entries: seconds since 1970, written as RFC 3339 in UTC with whole seconds."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def write(seconds: int) -> str:
    """Write seconds since 1970: ``2026-03-03T10:15:00Z``."""
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=4096)
def read(text: str) -> int | None:
    """Read a full timestamp as seconds since 1970; None for anything else."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int((moment - _EPOCH).total_seconds())
