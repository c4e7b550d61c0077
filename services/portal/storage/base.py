"""What every table of the portal belongs to."""

from sqlalchemy.orm import DeclarativeBase


class Tables(DeclarativeBase):
    """The portal's tables."""
