"""Agreements item by item, in versions; questions of people about who looked at their data."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Widen agreements and grants; what was agreed before becomes version 1."""
    for column in (
        sa.Column("items", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    ):
        op.add_column("agreements", column)
    # whoever signed in for a service before is asked when it refreshes: nothing was agreed then
    op.add_column("grants", sa.Column("purpose", sa.String(64)))
    op.add_column("grants", sa.Column("acr_reason", sa.String(32)))
    versions = op.create_table(
        "agreement_versions",
        sa.Column("agreement_id", sa.String(22), sa.ForeignKey("agreements.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("change", sa.String(12), nullable=False),
        sa.Column("items", sa.JSON, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
    )
    op.create_table(
        "questions",
        sa.Column("id", sa.String(22), primary_key=True),
        sa.Column("sub", sa.String(22), sa.ForeignKey("people.sub"), nullable=False, index=True),
        sa.Column(
            "client_id",
            sa.String(21),
            sa.ForeignKey("clients.client_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("exchange", sa.String(32), nullable=False),
        sa.Column("about", sa.JSON, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("answered_at", MOMENT),
        sa.Column("answered_by", sa.String(22)),
        sa.UniqueConstraint("sub", "exchange", name="uq_questions_sub_exchange"),
    )
    _take_over(versions)


def _take_over(versions: sa.Table) -> None:
    agreements = sa.table(
        "agreements",
        sa.column("id", sa.String),
        sa.column("categories", sa.JSON),
        sa.column("items", sa.JSON),
        sa.column("given_at", MOMENT),
        sa.column("until", MOMENT),
        sa.column("withdrawn_at", MOMENT),
        sa.column("version", sa.Integer),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(agreements)).mappings().all():
        items = [f"category:{name}" for name in row["categories"]]
        changes = [("given", row["given_at"])]
        if row["withdrawn_at"] is not None:
            changes.append(("withdrawn", row["withdrawn_at"]))
        connection.execute(
            sa.update(agreements)
            .where(agreements.c.id == row["id"])
            .values(items=items, version=len(changes))
        )
        op.bulk_insert(
            versions,
            [
                {
                    "agreement_id": row["id"],
                    "version": number,
                    "at": at,
                    "change": change,
                    "items": items,
                    "until": row["until"],
                }
                for number, (change, at) in enumerate(changes, 1)
            ],
        )
