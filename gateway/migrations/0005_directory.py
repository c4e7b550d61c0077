"""The directory: which client may call which service under which agreement, and its plan."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables, and the index that finds a client's last call of a service."""
    op.create_table(
        "agreements",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("legal_basis", sa.JSON, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("made_at_ms", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger),
        sa.Column("ended_by", sa.String(255)),
        sa.Column("ended_because", sa.Text),
    )
    op.create_index("ix_agreements_client_id", "agreements", ["client_id"])
    op.create_table(
        "client_plans",
        sa.Column("client_id", sa.String(255), primary_key=True),
        sa.Column("plan", sa.String(16), nullable=False),
    )
    op.create_index("ix_exchanges_caller_service", "exchanges", ["caller", "service", "at_ms"])
