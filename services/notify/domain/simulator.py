"""Recipients that are never real: for smoke tests, and to try out failures with a test key."""

import re

SMOKE_TEST = frozenset(
    {
        "447700900000",
        "447700900111",
        "447700900222",
        "simulate-delivered@notifications.service.gov.uk",
        "simulate-delivered-2@notifications.service.gov.uk",
        "simulate-delivered-3@notifications.service.gov.uk",
    }
)
_FICTION = re.compile(r"447700900\d{3}")  # Ofcom's range for drama: nobody ever has one


def is_fiction(digits: str) -> bool:
    """Whether a number is kept for fiction, so that it may be tried from any home country."""
    return _FICTION.fullmatch(digits) is not None


def outcome(address: str) -> str:
    """Return the status that a test key's message to this normalised address ends with."""
    if address.endswith("7700900003") or address == "temp-fail@simulator.notify":
        return "temporary-failure"
    if address.endswith("7700900002") or address == "perm-fail@simulator.notify":
        return "permanent-failure"
    return "delivered"
