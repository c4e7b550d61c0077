"""Reserved: nothing to change yet."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change nothing."""
