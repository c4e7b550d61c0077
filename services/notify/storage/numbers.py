"""The numbers that services' texts come in at."""

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.notify.storage.delivery_tables import InboundNumber
from services.notify.storage.tables import Service


def service_of(session: Session, number: str) -> Service | None:
    """Return the active service that has a number, or None."""
    return session.scalar(
        select(Service)
        .join(InboundNumber, InboundNumber.service_id == Service.id)
        .where(InboundNumber.number == number.lstrip("+"), Service.is_active.is_(True))
    )


def give(session: Session, service_id: str, number: str) -> None:
    """Give a service a number."""
    session.execute(insert(InboundNumber).values(number=number.lstrip("+"), service_id=service_id))
