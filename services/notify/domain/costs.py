"""What a message is charged: country data times what was used."""

from typing import Any

from services.notify.domain.countries import Country

ABROAD_MULTIPLIER = 3  # one price for every country abroad, until somebody has a price list
NEVER_CHARGED = frozenset(
    {
        "pending-virus-check",
        "virus-scan-failed",
        "validation-failed",
        "technical-failure",
        "cancelled",
    }
)


def of_text(country: Country, fragments: int, multiplier: int) -> tuple[dict[str, Any], float]:
    """Return the details and the sum for a text."""
    details = {
        "billable_sms_fragments": fragments,
        "international_rate_multiplier": multiplier,
        "sms_rate": country.sms_rate,
    }
    return details, round(fragments * multiplier * country.sms_rate, 4)


def of_letter(
    country: Country, status: str, sheets: int, postage: str | None
) -> tuple[dict[str, Any], float]:
    """Return the details and the sum for a letter; one that was never sent costs nothing."""
    if status in NEVER_CHARGED:
        return {"billable_sheets_of_paper": 0, "postage": postage}, 0.0
    base = country.letter_base.get(postage or "", max(country.letter_base.values(), default=0.0))
    total = base + max(sheets - 1, 0) * country.letter_sheet
    return {"billable_sheets_of_paper": sheets, "postage": postage}, round(total, 2)
