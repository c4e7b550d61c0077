"""The exchange log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table of exchanges."""
    op.create_table(
        "exchanges",
        sa.Column("number", _big, primary_key=True),
        sa.Column("exchange", sa.String(32), nullable=False, unique=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("trace", sa.String(32), nullable=False),
        sa.Column("caller", sa.String(255)),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("route", sa.String(255), nullable=False),
        sa.Column("parameters", sa.JSON),
        sa.Column("personal", sa.String(8)),
        sa.Column("purpose", sa.String(64)),
        sa.Column("basis", sa.String(64)),
        sa.Column("consent", sa.String(128)),
        sa.Column("categories", sa.JSON, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("sentence", sa.Text),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("subject_sealed", sa.LargeBinary),
        sa.Column("subject_index", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exchanges_trace", "exchanges", ["trace"])
    op.create_index("ix_exchanges_subject_index", "exchanges", ["subject_index"])
