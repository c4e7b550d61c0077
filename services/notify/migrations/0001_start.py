"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "service",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name_id", sa.String(), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("sms_sender", sa.String(), nullable=False),
        sa.Column("email_sender", sa.String(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key_type", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("revoked_at", _MOMENT),
    )
    op.create_index("ix_api_key_service_id", "api_key", ["service_id"])
    op.create_table(
        "guest",
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("recipient_index", sa.String(), primary_key=True),
    )
    op.create_table(
        "template",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("subject", sa.String()),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_template_service_id", "template", ["service_id"])
    _create_messages()
    _create_queue()


def _create_messages() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("key_type", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("template_id", sa.String(), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("recipient_index", sa.String(), nullable=False),
        sa.Column("reference_index", sa.String()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fragments", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.Column("updated_at", _MOMENT),
    )
    op.create_index(
        "notification_newest", "notification", ["service_id", "key_type", "created_at", "id"]
    )
    op.create_index("ix_notification_recipient_index", "notification", ["recipient_index"])
    op.create_index("ix_notification_reference_index", "notification", ["reference_index"])
    op.create_table(
        "idempotency",
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("key_index", sa.String(), primary_key=True),
        sa.Column("body_index", sa.String(), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])
    op.create_table(
        "inbox_message",
        sa.Column(
            "notification_id", sa.String(), sa.ForeignKey("notification.id"), primary_key=True
        ),
        sa.Column("recipient_index", sa.String(), nullable=False),
        sa.Column("delivered_at", _MOMENT, nullable=False),
    )
    op.create_index(
        "inbox_newest", "inbox_message", ["recipient_index", "delivered_at", "notification_id"]
    )
    op.create_table(
        "person_address",
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("recipient_index", sa.String(), primary_key=True),
    )


def _create_queue() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("notification_id", sa.String(), sa.ForeignKey("notification.id"), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String()),
        sa.Column("lease_until", _MOMENT),
        sa.Column("last_error", sa.String()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("done_at", _MOMENT),
    )
    op.create_index("ix_job_notification_id", "job", ["notification_id"])
    is_open = sa.text("done_at IS NULL")
    op.create_index(
        "job_due", "job", ["due_at", "id"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_table(
        "delivery_attempt",
        sa.Column(
            "notification_id", sa.String(), sa.ForeignKey("notification.id"), primary_key=True
        ),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("outcome", sa.String()),
    )
    op.create_table(
        "worker_beat",
        sa.Column("worker", sa.String(), primary_key=True),
        sa.Column("seen_at", _MOMENT, nullable=False),
    )
