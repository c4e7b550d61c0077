"""The exchange log becomes a tree: hashes, signed heads, and what only the erasure may remove."""

import sqlalchemy as sa
from alembic import op

from gateway.storage.guards import RULES, guards

revision = "0003"
down_revision = "0002"

_big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_LAST = {
    "sqlite": "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'exchanges'), 0)",
    "postgresql": "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM exchanges_number_seq",
}


def upgrade() -> None:
    """Add the columns and tables; entries written before stay outside the tree."""
    for name, kind in (
        ("subject_commitment", sa.LargeBinary()),
        ("acting_sealed", sa.LargeBinary()),
        ("acting_commitment", sa.LargeBinary()),
        ("role", sa.String(255)),
        ("disclose_at_ms", sa.BigInteger()),
    ):
        op.add_column("exchanges", sa.Column(name, kind))
    op.create_index("ix_exchanges_at_ms", "exchanges", ["at_ms"])
    op.create_table(
        "log_hashes",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("erasure", sa.BigInteger),
    )
    tree = op.create_table(
        "log_tree",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("peaks", sa.LargeBinary, nullable=False),
        sa.Column("begins_after", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "log_erasures",
        sa.Column("id", _big, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
    )
    engine = op.get_bind().dialect.name
    last = op.get_bind().scalar(sa.text(_LAST[engine]))
    op.bulk_insert(tree, [{"id": 1, "size": 0, "peaks": b"", "begins_after": last or 0}])
    for table in RULES:
        for statement in guards(table, engine):
            op.execute(sa.text(statement.replace(":", "\\:")))
