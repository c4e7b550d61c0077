"""The exchange log: the one record of who called whom, why, and about whose data."""
