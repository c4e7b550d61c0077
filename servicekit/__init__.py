"""Plumbing that every service shares; it knows no business word."""
