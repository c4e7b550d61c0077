"""Numbered changes of the tables, in order."""
