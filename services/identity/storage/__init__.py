"""What identity remembers: the only SQL of this service."""

from services.identity.storage.tables import metadata

__all__ = ["metadata"]
