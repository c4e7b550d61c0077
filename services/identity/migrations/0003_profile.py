"""Pushed requests (RFC 9126) and what a grant is bound to (RFC 9449)."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the two tables of the profile."""
    op.create_table(
        "pushed_requests",
        sa.Column("uri_hash", sa.String(64), primary_key=True),
        sa.Column(
            "client_id",
            sa.String(21),
            sa.ForeignKey("clients.client_id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
        sa.Column("opened_at", MOMENT),
        sa.Column("used_at", MOMENT),
    )
    op.create_table(
        "grant_bindings",
        sa.Column(
            "grant_id",
            sa.String(22),
            sa.ForeignKey("grants.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("code_jkt", sa.String(43)),
        sa.Column("refresh_jkt", sa.String(43)),
    )
