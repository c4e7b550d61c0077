"""What people manage themselves: passkeys, recovery codes, devices, recovery, history."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Widen people and sessions, then add the tables of the citizen pages."""
    # people of before were signed in as "substantial"; what that rests on was not recorded
    for column in (
        sa.Column("identity_level", sa.String(12), nullable=False, server_default="substantial"),
        sa.Column("evidence", sa.JSON, nullable=False, server_default="[]"),
    ):
        op.add_column("people", column)
    op.execute("DELETE FROM sessions")  # everybody signs in once more
    for column in (
        sa.Column("cookie_hash", sa.String(64), nullable=False, server_default=""),
        sa.Column("acr", sa.String(12), nullable=False, server_default="low"),
        sa.Column("amr", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("started_at", MOMENT, nullable=False, server_default="1970-01-01 00:00:00+00:00"),
        sa.Column("device", sa.String(80), nullable=False, server_default=""),
        sa.Column("network", sa.String(80), nullable=False, server_default=""),
    ):
        op.add_column("sessions", column)
    op.create_index("ix_sessions_cookie_hash", "sessions", ["cookie_hash"], unique=True)
    op.create_index("ix_sessions_sub", "sessions", ["sub"])
    _keys()
    _recovery()
    _records()


def _person() -> sa.Column[str]:
    return sa.Column("sub", sa.String(22), sa.ForeignKey("people.sub"), nullable=False, index=True)


def _keys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(22), primary_key=True),
        _person(),
        sa.Column("credential_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("device_bound", sa.Boolean, nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
    )
    op.create_table(
        "spent_challenges",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "known_devices",
        sa.Column("device_hash", sa.String(64), primary_key=True),
        sa.Column("sub", sa.String(22), sa.ForeignKey("people.sub"), primary_key=True),
        sa.Column("seen_at", MOMENT, nullable=False, index=True),
    )


def _recovery() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), primary_key=True),
        _person(),
        sa.Column("used_at", MOMENT),
    )
    op.create_table(
        "pending",
        sa.Column("owner_hash", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "recoveries",
        sa.Column("id_hash", sa.String(64), primary_key=True),
        sa.Column("sub", sa.String(22), sa.ForeignKey("people.sub"), index=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("message_hash", sa.String(64), nullable=False),
        sa.Column("cancel_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False, index=True),
        sa.Column("ready_at", MOMENT),
        sa.Column("ended_at", MOMENT),
    )


def _records() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("at", MOMENT, nullable=False, index=True),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("actor", sa.String(22)),
        sa.Column("about", sa.String(22), index=True),
        sa.Column("client_id", sa.String(21)),
        sa.Column("device", sa.String(80), nullable=False),
        sa.Column("network", sa.String(80), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_table(
        "announcements",
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column("sub", sa.String(22), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
    )
