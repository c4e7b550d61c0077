"""Why a message stands as it stands, in sentences for the sender (``status_description``)."""

SENTENCES = {
    "accepted": "A provider has the message and will say whether it arrived.",
    "delivered": "The provider says that it arrived.",
    "no-recipient": "Nobody has this number or address.",
    "refused": "The recipient's network or mail server refused the message.",
    "unreachable": "The recipient could not be reached: the phone is off or the mailbox is full.",
    "given-up": "No provider took the message in the time that it may wait.",
    "no-receipt": "No provider said within 72 hours whether it arrived.",
    "suppressed": "The recipient is on the suppression list of this service. Nothing was sent.",
    "cancelled": "It was cancelled before it was due. Nothing was sent.",
    "returned": "The letter came back.",
    "not-printable": "The letter cannot be printed as it is.",
    "dangerous": "The letter holds something that acts by itself.",
    "simulated": "A test key: nothing was sent.",
}

# what providers say in their codes
_OF_CODES = {
    "unknown-number": "no-recipient",
    "unknown-address": "no-recipient",
    "phone-off": "unreachable",
    "mailbox-full": "unreachable",
    "blocked": "refused",
}


def of_receipt(status: str, code: str | None) -> str | None:
    """Return the reason that a provider's receipt stands for."""
    if status == "delivered":
        return "delivered"
    if known := _OF_CODES.get(code or ""):
        return known
    return {"permanent-failure": "refused", "temporary-failure": "unreachable"}.get(status)


def sentence(reason: str | None) -> str | None:
    """Return the sentence of a reason, or None."""
    return SENTENCES.get(reason) if reason else None
