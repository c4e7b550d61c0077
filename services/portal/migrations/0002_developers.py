"""The webhook tester: temporary inboxes and what arrived in them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "hook_inbox",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner_hash", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary()),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("in_minute", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_hook_inbox_owner_hash", "hook_inbox", ["owner_hash"])
    op.create_index("ix_hook_inbox_expires_at", "hook_inbox", ["expires_at"])
    op.create_table(
        "hook_delivery",
        sa.Column(
            "inbox_id",
            sa.String(32),
            sa.ForeignKey("hook_inbox.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
