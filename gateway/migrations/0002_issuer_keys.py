"""Identity's public keys as last seen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of one row."""
    op.create_table(
        "issuer_keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("fetched_at_ms", sa.BigInteger, nullable=False),
    )
