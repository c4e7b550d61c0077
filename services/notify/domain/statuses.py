"""Statuses of a notification, and what the filters of the list mean."""

from datetime import datetime, timedelta

ALL = (
    "cancelled",
    "created",
    "sending",
    "sent",
    "delivered",
    "pending",
    "failed",
    "technical-failure",
    "temporary-failure",
    "permanent-failure",
    "pending-virus-check",
    "validation-failed",
    "virus-scan-failed",
    "returned-letter",
    "accepted",
    "received",
)
COMPLETED = frozenset(
    {
        "sent",
        "delivered",
        "failed",
        "technical-failure",
        "temporary-failure",
        "permanent-failure",
        "validation-failed",
        "returned-letter",
        "cancelled",
    }
)
# from these alone a message goes on; what comes later is a repetition
OPEN = frozenset({"created", "sending", "pending", "sent", "pending-virus-check"})
FINAL = frozenset(
    {
        "sent",
        "delivered",
        "technical-failure",
        "temporary-failure",
        "permanent-failure",
        "validation-failed",
        "virus-scan-failed",
        "returned-letter",
        "cancelled",
    }
)
HANDED_OVER = frozenset({"sent", "delivered", "pending"})
RECEIPT_WITHIN = timedelta(hours=72)
_GROUPS = {
    "failed": (
        "technical-failure",
        "temporary-failure",
        "permanent-failure",
        "validation-failed",
        "virus-scan-failed",
        "returned-letter",
    ),
    "accepted": ("created", "sending"),
    "received": ("delivered",),
}
_OF_LETTERS = {
    "created": "accepted",
    "sending": "accepted",
    "delivered": "received",
    "returned-letter": "received",
}
_DAYS_ON_THE_WAY = {"first": 1, "second": 3, "economy": 6, "europe": 5, "rest-of-world": 7}


def meant_by(names: list[str]) -> list[str]:
    """Return the stored statuses that a filter names, groups resolved."""
    return [status for name in names for status in _GROUPS.get(name, (name,))]


def shown(channel: str, status: str) -> str:
    """Return a status as the API names it: letters have words of their own."""
    return _OF_LETTERS.get(status, status) if channel == "letter" else status


def arrives(accepted_at: datetime, postage: str | None) -> datetime:
    """Return when a letter can be expected: printed the next working day, then carried."""
    day = accepted_at
    for _ in range(1 + _DAYS_ON_THE_WAY.get(postage or "second", 2)):
        day += timedelta(days=1)
        while day.weekday() >= 5:  # Saturday and Sunday
            day += timedelta(days=1)
    return day.replace(hour=16, minute=0, second=0, microsecond=0)
