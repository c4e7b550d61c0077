"""The rules of notifications, without a network or a database."""
