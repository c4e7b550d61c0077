"""Delivery: one queue for everything, what providers said, callbacks, numbers that receive."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)
_IS_OPEN = sa.text("done_at IS NULL")


def upgrade() -> None:
    """Widen the queue and the messages; create the callbacks."""
    _widen_queue()
    _widen_messages()
    _create_callbacks()
    op.create_table(
        "inbound_number",
        sa.Column("number", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
    )


def _widen_queue() -> None:
    op.drop_index("job_due", "job")
    with op.batch_alter_table("job") as job:
        job.alter_column("notification_id", existing_type=sa.String(), nullable=True)
        job.add_column(sa.Column("target_id", sa.String()))
        job.add_column(sa.Column("lane", sa.Integer(), nullable=False, server_default="0"))
        job.add_column(sa.Column("last_provider", sa.String()))
    op.create_index(
        "job_due", "job", ["lane", "due_at", "id"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN
    )
    op.create_index("job_done_at", "job", ["done_at"])
    op.add_column("delivery_attempt", sa.Column("error", sa.String()))


def _widen_messages() -> None:
    for name in ("provider", "provider_response", "status_reason", "bulk_id"):
        op.add_column("notification", sa.Column(name, sa.String()))
    op.add_column("notification", sa.Column("bulk_row", sa.Integer()))
    op.add_column("notification", sa.Column("scheduled_for", _MOMENT))
    op.create_index("notification_of_bulk", "notification", ["bulk_id", "bulk_row"])
    op.create_index("notification_age", "notification", ["service_id", "channel", "created_at"])


def _create_callbacks() -> None:
    op.create_table(
        "callback_endpoint",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", _MOMENT),
        sa.Column("paused_until", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT),
        sa.UniqueConstraint("service_id", "kind", name="callback_endpoint_once"),
    )
    op.create_table(
        "callback",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("notification_id", sa.String()),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer()),
        sa.Column("last_error", sa.String()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("settled_at", _MOMENT),
    )
    op.create_index("callback_newest", "callback", ["service_id", "created_at", "id"])
    op.create_index("ix_callback_notification_id", "callback", ["notification_id"])
    op.create_index("ix_callback_created_at", "callback", ["created_at"])
