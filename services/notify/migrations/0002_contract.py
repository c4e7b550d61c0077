"""The whole public contract: letters, files, received texts, limits, senders, trial mode."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Widen what there is and create the rest."""
    _widen()
    _create_senders()
    _create_limits()
    op.create_table(
        "letter",
        sa.Column(
            "notification_id", sa.String(), sa.ForeignKey("notification.id"), primary_key=True
        ),
        sa.Column("is_precompiled", sa.Boolean(), nullable=False),
        sa.Column("sealed_pdf", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("sealed_facts", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tries_since", _MOMENT, nullable=False),
    )
    op.create_index("ix_document_expires_at", "document", ["expires_at"])
    op.create_table(
        "received_text",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_index("received_text_newest", "received_text", ["service_id", "created_at", "id"])


def _widen() -> None:
    no, nothing = sa.false(), sa.text("'{}'")
    op.add_column(
        "service", sa.Column("is_restricted", sa.Boolean(), nullable=False, server_default=no)
    )
    op.add_column(
        "service", sa.Column("prefix_sms", sa.Boolean(), nullable=False, server_default=no)
    )
    op.add_column("service", sa.Column("file_contact", sa.String()))
    op.add_column("service", sa.Column("limits", sa.JSON(), nullable=False, server_default=nothing))
    op.add_column("service", sa.Column("sealed_key", sa.LargeBinary()))
    op.add_column("template", sa.Column("postage", sa.String()))
    op.add_column("template", sa.Column("contact_block", sa.String()))
    op.add_column(
        "template", sa.Column("is_hidden", sa.Boolean(), nullable=False, server_default=no)
    )
    op.add_column("notification", sa.Column("postage", sa.String()))
    op.add_column(
        "notification", sa.Column("sheets", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "notification",
        sa.Column("rate_multiplier", sa.Integer(), nullable=False, server_default="1"),
    )
    op.execute("UPDATE template SET postage = 'second' WHERE type = 'letter'")


def _create_senders() -> None:
    for table, value in (("sms_sender", "text"), ("reply_to", "email_address")):
        op.create_table(
            table,
            sa.Column("id", sa.String(), primary_key=True),
            sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), nullable=False),
            sa.Column(value, sa.String(), nullable=False),
            sa.Column("is_default", sa.Boolean(), nullable=False),
            sa.Column("is_archived", sa.Boolean(), nullable=False),
        )
        op.create_index(f"ix_{table}_service_id", table, ["service_id"])


def _create_limits() -> None:
    op.create_table(
        "rate_bucket",
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("key_type", sa.String(), primary_key=True),
        sa.Column("millitokens", sa.Integer(), nullable=False),
        sa.Column("filled_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "daily_count",
        sa.Column("service_id", sa.String(), sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("day", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
    )
