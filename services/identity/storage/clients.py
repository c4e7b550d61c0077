"""Clients: found by id while they are enabled."""

from sqlalchemy.orm import Session

from services.identity.domain.subjects import is_client_id
from services.identity.storage.tables import Client


def find(session: Session, client_id: str | None) -> Client | None:
    """Return the enabled client with this id, or None."""
    if client_id is None or not is_client_id(client_id):
        return None
    client = session.get(Client, client_id)
    return client if client is not None and client.enabled else None
