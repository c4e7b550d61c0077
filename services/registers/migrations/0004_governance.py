"""Drafts and archives, four-eyes review, governance as data, and the words to search by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

KEY = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TERM = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns of a register and the tables of proposals and of the search."""
    with op.batch_alter_table("register") as register:
        register.add_column(
            sa.Column("state", sa.String(10), nullable=False, server_default="published")
        )
        register.add_column(
            sa.Column("review", sa.Boolean, nullable=False, server_default=sa.false())
        )
        register.add_column(sa.Column("governance", sa.JSON, nullable=False, server_default="{}"))
    op.create_index("system_entry_by_key", "system_entry", ["register_id", "key"])
    op.create_table(
        "proposal",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("register_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("proposer", sa.Text, nullable=False),
        sa.Column("proposer_client", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("decided", sa.BigInteger),
        sa.Column("decider", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("answer", sa.Text),
    )
    op.create_index("proposal_by_register", "proposal", ["register_id", "made"])
    op.create_table(
        "search_term",
        sa.Column("register_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("term", TERM, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_state",
        sa.Column("register_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
