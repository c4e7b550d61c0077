"""Which field holds the key of a register that was loaded under another name than its own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; empty where the register's own name is the field's."""
    op.add_column("register", sa.Column("key_field", sa.String(200)))
