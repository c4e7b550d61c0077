"""Measures what the platform promises: start, reset, memory and the journey."""
