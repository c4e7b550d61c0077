"""Statuses of a notification, and what the filters of the list mean."""

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


def meant_by(names: list[str]) -> list[str]:
    """Return the stored statuses that a filter names, groups resolved."""
    return [status for name in names for status in _GROUPS.get(name, (name,))]
