"""The portal's start state: nobody is signed in."""

from sqlalchemy.orm import Session

from services.portal.settings import Settings


def is_empty(session: Session) -> bool:
    """Whether nothing has to be loaded: always, because the portal owns no data."""
    return False


def load(session: Session, settings: Settings) -> None:
    """Load nothing; a reset that emptied the tables has signed everyone out."""
