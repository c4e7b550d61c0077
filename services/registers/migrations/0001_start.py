"""The tables that the service starts with."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def _register_id() -> sa.Column[int]:
    return sa.Column(
        "register_id",
        sa.Integer,
        sa.ForeignKey("register.id"),
        primary_key=True,
        autoincrement=False,
    )


def _number(name: str = "number", *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        name, sa.BigInteger, nullable=False, autoincrement=False, primary_key=primary_key
    )


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "register",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("title", sa.JSON, nullable=False),
        sa.Column("description", sa.JSON, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("custodian", sa.Text, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        _number("started"),
    )
    op.create_table(
        "register_head",
        _register_id(),
        _number("size"),
        _number("records"),
        _number("blobs"),
        _number("updated"),
        sa.Column("peaks", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "blob",
        _register_id(),
        _number(primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("blob_by_hash", "blob", ["register_id", "hash"], unique=True)
    op.create_table(
        "entry",
        _register_id(),
        _number(primary_key=True),
        _number("timestamp"),
        sa.Column("key", KEY, nullable=False),
        _number("blob"),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("entry_by_key", "entry", ["register_id", "key", "number"])
    op.create_table(
        "record",
        _register_id(),
        sa.Column("key", KEY, primary_key=True),
        _number(),
        _number("blob"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "answer",
        _register_id(),
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column("blob_hash", sa.LargeBinary, nullable=False),
        _number(),
        sa.Column("body", sa.Text, nullable=False),
    )
