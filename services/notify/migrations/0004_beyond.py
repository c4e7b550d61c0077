"""Beyond the public contract: bulk, suppression, stronger keys, richer templates, retention."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the new tables and widen keys, templates and services."""
    _widen()
    op.create_table(
        "bulk",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("key_type", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("template_id", sa.String(), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("scheduled_for", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("cancelled_at", _MOMENT),
    )
    op.create_index("bulk_newest", "bulk", ["service_id", "created_at", "id"])
    op.create_table(
        "suppression",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("recipient_index", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("service_id", "recipient_index", name="suppression_once"),
    )
    op.create_table(
        "statistic",
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("day", sa.String(), primary_key=True),
        sa.Column("channel", sa.String(), primary_key=True),
        sa.Column("key_type", sa.String(), primary_key=True),
        sa.Column("template_id", sa.String(), primary_key=True),
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("fragments", sa.Integer(), nullable=False),
        sa.Column("in_time", sa.Integer(), nullable=False),
    )


def _widen() -> None:
    nothing, yes, no = sa.text("'{}'"), sa.true(), sa.false()
    op.add_column(
        "service", sa.Column("retention", sa.JSON(), nullable=False, server_default=nothing)
    )
    op.add_column(
        "service", sa.Column("keyring", sa.JSON(), nullable=False, server_default=nothing)
    )
    op.add_column("service", sa.Column("email_paused_until", _MOMENT))
    op.add_column("api_key", sa.Column("expires_at", _MOMENT))
    op.add_column("api_key", sa.Column("last_used_at", _MOMENT))
    op.add_column("api_key", sa.Column("scopes", sa.JSON()))
    op.add_column("api_key", sa.Column("networks", sa.JSON()))
    op.add_column(
        "template", sa.Column("escapes_values", sa.Boolean(), nullable=False, server_default=yes)
    )
    op.add_column(
        "template", sa.Column("has_unsubscribe", sa.Boolean(), nullable=False, server_default=no)
    )
    op.add_column("template", sa.Column("redacted", sa.JSON(), nullable=False, server_default="[]"))
