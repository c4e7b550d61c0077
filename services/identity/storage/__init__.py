"""What identity remembers: the only SQL of this service."""

from services.identity.storage import protocol_tables  # noqa: F401 (its tables belong here)
from services.identity.storage.tables import metadata

__all__ = ["metadata"]
