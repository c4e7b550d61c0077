"""What all tables of the gateway build on."""

from sqlalchemy import BigInteger, Integer
from sqlalchemy.orm import DeclarativeBase

BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The gateway's tables."""
