"""Puts recipients on the list of those whom a service no longer writes to."""

import logging
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from services.notify.storage import suppressions
from services.notify.storage.tables import Notification, Service
from services.notify.vault import Vault

BOUNCED, COMPLAINED, UNSUBSCRIBED, STOPPED, ADDED = (
    "hard-bounce",
    "complaint",
    "unsubscribed",
    "stop",
    "added",
)

logger = logging.getLogger("suppressions")


def suppress(
    session: Session,
    vault: Vault,
    service: Service,
    address: str,
    channel: str,
    reason: str,
    now: datetime,
) -> str:
    """Add an address to a service's list; return the entry's id.

    vault: the platform's; the entry is sealed with the service's own key, which outlives weeks.
    """
    own = vault.of(service.id, service.sealed_key)
    return suppressions.add(
        session,
        service.id,
        vault.index("recipient", address),
        channel,
        reason,
        lambda entry: own.seal(f"suppression/{entry}", address),
        now,
    )


def bounced(
    session: Session, vault: Vault, rows: Iterable[Notification], reason: str, now: datetime
) -> None:
    """Add the recipients of emails that came back, and pause services with too many of them."""
    services: dict[str, Service] = {}
    for row in rows:
        service = services.get(row.service_id) or session.get(Service, row.service_id)
        if service is None or row.key_type == "test":
            continue
        services[row.service_id] = service
        dated = vault.of(service.id, service.sealed_key, service.keyring)
        address = dated.open(f"notification/{row.id}", row.sealed)["address"]
        suppress(session, vault, service, address, row.channel, reason, now)
    if reason == BOUNCED:
        for service_id in services:
            if suppressions.pause_if_too_many_bounce(session, service_id, now):
                logger.warning("emails are paused: too many bounce", extra={"service": service_id})
