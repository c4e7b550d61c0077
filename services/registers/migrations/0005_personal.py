"""Personal records, their values apart from the log, and corrections that people ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "personal_record",
        sa.Column("register_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("subject", sa.LargeBinary),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "personal_record_by_subject", "personal_record", ["register_id", "subject", "key"]
    )
    op.create_table(
        "personal_value",
        sa.Column("register_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("field", sa.String(200), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("register_id", sa.Integer, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("sealed_subject", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("decided", sa.BigInteger),
        sa.Column("answer", sa.LargeBinary),
    )
    op.create_index("correction_by_record", "correction", ["register_id", "key", "made"])
