"""Counts what happens, for statistics and monitoring."""
