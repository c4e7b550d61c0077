"""The teaching levers that hold for the whole demonstration, in every process."""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from services.identity.storage.administration_tables import Lever


def get(session: Session, name: str) -> Any:
    """Return what a lever is set to, or None when it is off."""
    found = session.get(Lever, name)
    return None if found is None else found.value


def put(session: Session, name: str, value: Any) -> None:
    """Set a lever; None switches it off."""
    session.execute(delete(Lever).where(Lever.name == name))
    if value is not None:
        session.add(Lever(name=name, value=value))
    session.flush()
