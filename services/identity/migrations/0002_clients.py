"""Clients of every kind; keys, single use, revoked tokens and sign-outs to deliver."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
MOMENT = sa.DateTime(timezone=True)
START = "1970-01-01 00:00:00+00:00"


def upgrade() -> None:
    """Widen clients and grants, then add the tables of the protocol core."""
    _widen_clients()
    for column in (
        sa.Column("sid", sa.String(43), nullable=False, server_default=""),
        sa.Column("acr", sa.String(64), nullable=False, server_default="substantial"),
        sa.Column("amr", sa.JSON, nullable=False, server_default='["pwd", "otp", "mfa"]'),
    ):
        op.add_column("grants", column)
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(43), primary_key=True),
        sa.Column("algorithm", sa.String(8), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("jwk", sa.JSON, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("active_at", MOMENT),
        sa.Column("retiring_at", MOMENT),
        sa.Column("gone_at", MOMENT),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "used_assertions",
        sa.Column("id_hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.String(64), primary_key=True),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "logout_deliveries",
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column(
            "client_id",
            sa.String(21),
            sa.ForeignKey("clients.client_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("sub", sa.String(22), nullable=False),
        sa.Column("sid", sa.String(43), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_answer", sa.Text),
        sa.Column("delivered_at", MOMENT),
    )


def _widen_clients() -> None:
    for column in (
        sa.Column("description", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("owner", sa.String(22)),
        sa.Column("contacts", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=START),
        sa.Column("status", sa.String(16), nullable=False, server_default="live"),
        sa.Column("profile", sa.String(16), nullable=False, server_default="standard"),
        sa.Column("application_type", sa.String(16), nullable=False, server_default="web"),
        sa.Column("first_party", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column(
            "auth_method", sa.String(32), nullable=False, server_default="client_secret_basic"
        ),
        sa.Column("jwks", sa.JSON),
        sa.Column("jwks_uri", sa.Text),
        sa.Column("id_token_alg", sa.String(8), nullable=False, server_default="ES256"),
        sa.Column("sector", sa.Text, nullable=False, server_default=""),
        sa.Column("backchannel_logout_uri", sa.Text),
        sa.Column(
            "backchannel_logout_session_required",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
        ),
        sa.Column("faults", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("secret", sa.String(64)),
    ):
        op.add_column("clients", column)
    # a client of before knew people by its own id, belonged to the platform or to nobody
    op.execute("UPDATE clients SET secret = secret_hash, sector = client_id")
    op.execute("UPDATE clients SET status = 'disabled' WHERE NOT enabled")
    op.execute("UPDATE clients SET first_party = (client_id = 'portal')")
    # SQLite cannot make a column nullable; a new one under the old name can be
    op.execute("ALTER TABLE clients DROP COLUMN secret_hash")
    op.execute("ALTER TABLE clients RENAME COLUMN secret TO secret_hash")
    op.execute("ALTER TABLE clients DROP COLUMN enabled")
