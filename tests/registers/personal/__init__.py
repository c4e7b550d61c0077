"""Personal registers."""
