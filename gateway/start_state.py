"""The start state of the exchange log: nothing has happened yet."""

from sqlalchemy.orm import Session

from gateway.settings import Settings


def is_empty(session: Session) -> bool:
    """Say that nothing needs to be loaded."""
    return False


def load(session: Session, settings: Settings) -> None:
    """Load nothing: a new log is empty."""
