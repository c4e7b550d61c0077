"""What is kept and the only SQL: tables, reading, appending, answers to repeated requests."""

from services.registers.storage import personal as personal
from services.registers.storage.tables import Table

metadata = Table.metadata
