"""How often callers may call: the plans, and the counting that all workers share."""
