"""Tables of notify and the functions that read and write them: the only SQL."""

from services.notify.storage import delivery_tables
from services.notify.storage.tables import Base

metadata = Base.metadata

__all__ = ["delivery_tables", "metadata"]
