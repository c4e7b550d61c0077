"""Who may be written to, and how much: key types, trial mode, numbers abroad, limits."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from services.notify.access import Caller
from services.notify.components import components, reading
from services.notify.domain import limits as rules
from services.notify.domain.countries import COUNTRIES
from services.notify.domain.phone import Phone
from services.notify.errors import (
    BadRequestError,
    InvalidPhoneError,
    RateLimitError,
    TooManyRequestsError,
)
from services.notify.storage import limits, services

TEAM_ONLY = "Can’t send to this recipient using a team-only API key"
IN_TRIAL = (
    "Can’t send to this recipient when service is in trial mode – see "
    "https://www.notifications.service.gov.uk/trial-mode"
)


def check_rate(sender: Caller, channel: str | None) -> None:
    """Refuse a call that comes too soon, or one after the day's limit, before it is read."""
    parts, rate = components(), rules.calls_a_minute(sender.service.limits)
    if not parts.limiter.passes(sender.service.id, sender.key_type, rate):
        raise RateLimitError(sender.key_type, rate)
    if sender.key_type == "test" or channel is None:
        return
    with reading() as session:
        check_daily(session, sender, channel)


def check_daily(session: Session, sender: Caller, kind: str) -> None:
    """Refuse a message of a kind that reached its limit for today."""
    now, limit = components().clock.now(), daily_limit(sender, kind)
    if limits.sent_on(session, sender.service.id, now, kind) >= limit:
        raise TooManyRequestsError(kind, limit, seconds_left(now))


def daily_limit(sender: Caller, kind: str) -> int:
    """Return how many messages of a kind the caller's service may send on one day."""
    return rules.a_day(sender.service.limits, kind, in_trial=sender.service.is_restricted)


def seconds_left(now: datetime) -> int:
    """Return the seconds until the next day (UTC) begins."""
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((tomorrow - now).total_seconds()) + 1


def check_recipient(session: Session, sender: Caller, address: str) -> None:
    """Refuse a recipient whom this key, or a service in trial mode, may not reach."""
    is_team_only = sender.key_type == "team"
    if sender.key_type == "test" or not (is_team_only or sender.service.is_restricted):
        return
    index = components().vault.index("recipient", address)
    if not services.is_guest(session, sender.service.id, index):
        raise BadRequestError(TEAM_ONLY if is_team_only else IN_TRIAL)


def check_number(
    session: Session, sender: Caller, number: Phone, *, is_international: bool
) -> None:
    """Refuse numbers abroad and landlines for a service that may not text them."""
    permissions, country = sender.service.permissions, COUNTRIES[sender.service.country]
    if is_international:
        if "international_sms" not in permissions:
            raise BadRequestError("Cannot send to international mobile numbers")
        if sender.key_type != "test":
            check_daily(session, sender, "international_sms")
    if number.is_landline and country.landline_permission not in permissions:
        raise InvalidPhoneError(country.not_mobile)
