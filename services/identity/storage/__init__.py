"""What identity remembers: the only SQL of this service."""

from services.identity.storage import (  # noqa: F401 (their tables)
    administration_tables,
    citizen_tables,
    consent_tables,
    profile_tables,
    protocol_tables,
)
from services.identity.storage.tables import metadata

__all__ = ["metadata"]
