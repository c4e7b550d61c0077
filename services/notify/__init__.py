"""Notify: tells people things by text and email, as the GOV.UK Notify API (v2) does."""
