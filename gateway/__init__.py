"""The one door and the one corridor: every call of the platform passes here and is recorded."""
