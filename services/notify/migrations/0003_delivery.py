"""Reserved: nothing to change yet."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change nothing."""
