"""What the workers share beside the log: used proofs, counted calls, the instructor's levers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "proofs",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("until_s", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_proofs_until_s", "proofs", ["until_s"])
    op.create_table(
        "counted_calls",
        sa.Column("payer", sa.String(300), primary_key=True),
        sa.Column("period", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ends_s", sa.BigInteger, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_counted_calls_ends_s", "counted_calls", ["ends_s"])
    op.create_table(
        "faults",
        sa.Column("service", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("delay_ms", sa.Integer, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
