"""How the API writes moments."""

from datetime import datetime


def moment(value: datetime | None) -> str | None:
    """Write a moment as the API does, with microseconds."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None
