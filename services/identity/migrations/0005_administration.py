"""Programs wait for approval; secrets overlap when they change; teaching levers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Widen clients; add the requests and the levers."""
    for column in (
        sa.Column("former_secret_hash", sa.String(64)),
        sa.Column("former_secret_until", MOMENT),
        sa.Column("information", sa.JSON, nullable=False, server_default="{}"),
    ):
        op.add_column("clients", column)
    op.create_table(
        "client_requests",
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column(
            "client_id",
            sa.String(21),
            sa.ForeignKey("clients.client_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("wants", sa.JSON, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(22)),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(12), nullable=False, index=True),
        sa.Column("decided_by", sa.String(22)),
        sa.Column("decided_at", MOMENT),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "levers",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
